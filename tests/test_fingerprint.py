"""The digest of a stage's code covers all that can change a number, and nothing else."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from configs import every
from typed import restore, sample, theory, train

from etsdm import fingerprint
from etsdm.data import sources
from etsdm.data.prepare import prepare
from etsdm.diffusion.make import modules_behind
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.schedules import SCHEDULES
from etsdm.errors import UserError
from etsdm.fingerprint import ROOT, STAGES, code, definitions, digest, files, reached
from etsdm.metrics.distances import DISTANCES
from etsdm.metrics.encoders import ENCODERS
from etsdm.metrics.features import extract_features
from etsdm.metrics.restoration import compare
from etsdm.metrics.score import modules, score
from etsdm.plan.plan import make_plan
from etsdm.probes import PROBES
from etsdm.runtime.manifest import PACKAGES, manifest
from etsdm.solvers import SOLVERS
from etsdm.training.snapshots import Snapshot
from etsdm.training.take import take_snapshot

CACHED = (files._classes, files.is_settings, definitions._uses, digest)


# ------------------------------------------------------------------------------------------------ what runs is covered


def arrays_in(function: ast.FunctionDef) -> set[str]:
    """The types of arrays that a signature names."""
    names = {node.id for node in ast.walk(function.args) if isinstance(node, ast.Name)}
    if function.returns:
        names |= {node.id for node in ast.walk(function.returns) if isinstance(node, ast.Name)}
    return names & {"Array", "Tensor", "Pixels", "Features"}


def test_settings_compute_nothing():
    """Classes of settings do not count in the digest of code, so a formula in one could change without a word."""
    for path in sorted((ROOT / "etsdm").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for one in ast.parse(path.read_text()).body:
            if isinstance(one, ast.ClassDef) and files.is_settings(f"{module}.{one.name}"):
                methods = [method for method in one.body if isinstance(method, ast.FunctionDef)]
                assert not [f"{module}.{one.name}.{method.name}" for method in methods if arrays_in(method)]


@contextmanager
def watched(stage: str, *loaded: str) -> Iterator[None]:
    """Fail if the block runs a function of the project that neither the digest of a stage covers nor is quiet."""
    seen: set[tuple[str, str]] = set()

    def watch(frame, event, _):
        module = frame.f_globals.get("__name__", "")
        name = frame.f_code.co_qualname.split(".")[0]
        if event == "call" and module.startswith("etsdm.") and not name.startswith(("<", "__")):
            seen.add((module, name))

    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)
    ran = {one for one in seen if not definitions.is_quiet(*one) and not files.is_settings(".".join(one))}
    assert ran, "nothing was watched"
    assert ran <= reached(*STAGES[stage], *loaded)


@pytest.mark.slow
def test_every_function_that_a_stage_runs_is_covered(tmp_path):
    """Every method, prediction, probe and two solvers, on networks of a second."""
    plan = make_plan(every(**{"training.images": 256}), "test")
    cpu = torch.device("cpu")
    for path, run in plan.data.items():
        with watched("prepare", sources.module(run.spec)):
            prepare(run.spec, tmp_path / path, progress=False)
    for path, run in plan.encoders.items():
        images = tmp_path / run.needs["data"].path / "images.zip"
        weights = tmp_path / path / "weights.safetensors"
        name = run.spec["name"]
        settings = ENCODERS[name].model_validate(run.spec)
        with watched("encoder", ENCODERS.module(name)):
            ENCODERS.load(name).make_weights(settings, weights, images, cpu)
    for path, run in plan.models.items():
        with watched("train", *modules_behind(run.spec)):
            images = tmp_path / run.needs["data"].path / "images.zip"
            train(run.spec, images, tmp_path / path, "cpu", progress=False)
    for path, run in plan.snapshots.items():
        training = tmp_path / run.needs["training"].path
        files = [training / name for name in ("weights.safetensors", "metrics.jsonl")]
        kept = training / Snapshot(**run.spec["snapshot"]).file
        with manifest(training / "manifest.json", [], [*files, kept], run.needs["training"].spec) as record:
            record["seconds"] = 1
        with watched("snapshot"):
            take_snapshot(training / "manifest.json", kept, tmp_path / path / "weights.safetensors")
    for path, run in plan.samples.items():
        solver, model = run.spec["solver"]["name"], run.needs["model"]
        with watched("sample", SOLVERS.module(solver), *modules_behind(model.spec)):
            weights = tmp_path / model.path / "weights.safetensors"
            sample(weights, run.spec, tmp_path / path / "samples.zip", "cpu", progress=False)
    for path, run in plan.restorations.items():
        solver, model = run.spec["solver"]["name"], run.needs["model"]
        images = tmp_path / run.needs["test"].path / "images.zip"
        with watched("restore", SOLVERS.module(solver), *modules_behind(model.spec)):
            weights = tmp_path / model.path / "weights.safetensors"
            restore(weights, images, run.spec, tmp_path / path, "cpu", progress=False)
        with watched("compare"):
            compare(tmp_path / path / "restored.zip", images, tmp_path / path / "scores.json")
    for run in plan.probes.values():
        model, tried = run.needs["model"], [solver["name"] for solver in run.spec.get("solvers", [])]
        behind = modules_behind(model.spec)
        probe = PROBES.load(run.spec["probe"]).probe
        with watched("probe", *behind, PROBES.module(run.spec["probe"]), *map(SOLVERS.module, tried)):
            weights = tmp_path / model.path / "weights.safetensors"
            images = tmp_path / model.needs["data"].path / "images.zip"
            probe(weights, images, PROBES.read(run.spec), "cpu", False)
    for run in plan.theories.values():
        with watched("theory", *map(SCHEDULES.module, run.spec["schedules"])):
            theory(run.spec)
    scored = [m for m in plan.measurements if m.encoder and m.model and m.experiment == "fast-sampling"][:2]
    files = {"samples": tmp_path / scored[0].run.path, "data": tmp_path / scored[0].model.needs["data"].path}
    with watched("features", ENCODERS.module("classifier")):
        encoder = tmp_path / scored[0].encoder.path / "weights.safetensors"
        for name, archive in (("samples", "samples.zip"), ("data", "images.zip")):
            images, out = files[name] / archive, files[name] / "features.npz"
            extract_features("classifier", encoder, images, out, None, "cpu", progress=False)
    with watched("score", *modules("classifier", ["frechet", "kernel"])):
        features = [files[name] / "features.npz" for name in ("samples", "data")]
        score(*features, None, ["frechet", "kernel"], "classifier", 70, tmp_path / "scores.json", 2)


def test_what_no_stage_ever_computes_with_is_quiet():
    """A module that is renamed would silently count again."""
    for place in definitions.QUIET:
        module, _, name = place.partition(":")
        read = definitions.read_module(module)
        assert read is not None, place
        assert not name or name in read.names, place


def test_versions_of_packages_do_not_count(monkeypatch):
    """They are noted in each manifest."""
    before = code("train")
    monkeypatch.setattr(torch, "__version__", "0.1")
    forget()
    assert code("train") == before
    assert "torch" in PACKAGES


def test_solvers_do_not_share_a_digest_and_families_do():
    digests = {name: digest("sample", SOLVERS.module(name)) for name in SOLVERS.names()}
    assert digests["dpm-solver-1"] == digests["dpm-solver-3"]
    assert len(set(digests.values())) == len({SOLVERS.module(name) for name in SOLVERS.names()})


def test_scoring_does_not_load_torch():
    """It runs as many short processes, and torch alone takes seconds to import."""
    code = "import sys, etsdm.metrics.score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("stage", ["rows", "tables", "figure", "page"])
def test_the_report_knows_only_result_files(stage):
    rooms = {name.split(".")[1] for name, _ in reached(*STAGES[stage])}
    assert not rooms & {"training", "sampling", "models", "solvers", "probes"}


# ------------------------------------------------------------------------------------------- what counts, and what not


def forget() -> None:
    for function in CACHED:
        function.cache_clear()


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """A function that edits a file of the project, as far as digests can see."""
    edited: dict[Path, Path] = {}
    file_of = files.file_of

    def edit(file: str, old: str, new: str) -> None:
        path = ROOT / "etsdm" / file
        text = edited.get(path, path).read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        edited[path] = tmp_path / f"{len(edited)}.py"
        edited[path].write_text(text.replace(old, new, 1), encoding="utf-8")
        forget()

    monkeypatch.setattr(files, "file_of", lambda module: edited.get(path := file_of(module), path))
    yield edit
    monkeypatch.undo()
    forget()


def every_code() -> dict[str, str]:
    """The code of each stage, with each module that it may load."""
    codes = {stage: code(stage) for stage in STAGES}
    codes |= {f"sample by {name}": code("sample", SOLVERS.module(name)) for name in SOLVERS.names()}
    codes |= {f"train {name}": code("train", METHODS.module(name)) for name in METHODS.names()}
    codes |= {name: code("train", SCHEDULES.module(name)) for name in ("linear", "cosine")}
    codes |= {f"encoder {name}": code("encoder", ENCODERS.module(name)) for name in ENCODERS.names()}
    codes |= {f"score by {name}": code("score", DISTANCES.module(name)) for name in DISTANCES.names()}
    codes |= {f"probe {name}": code("probe", PROBES.module(name)) for name in PROBES.names()}
    kinds = [path.stem for path in (ROOT / "etsdm/data/sources").glob("[a-z]*.py")]
    return codes | {f"prepare {kind}": code("prepare", f"etsdm.data.sources.{kind}") for kind in kinds}


@pytest.fixture(scope="module")
def before():
    """The code of each stage as it is."""
    return every_code()


def changed(before: dict[str, str]) -> set[str]:
    after = every_code()
    return {name for name in before if after.get(name) != before[name]}


NOTHING = [
    pytest.param("training/train.py", "its images are {pixels", "the images are {pixels", id="words of an error"),
    pytest.param("sampling/sample.py", "sampling diverged: images", "sampling failed: images", id="words of a check"),
    pytest.param("sampling/sample.py", "set clip_x0: true", "set clip_x0 to true", id="advice"),
    pytest.param("data/prepare.py", "left out {len(damaged):,} damaged", "{len(damaged):,} lost", id="words printed"),
    pytest.param("probes/lipschitz.py", '"probe", unit=" pairs"', '"K", unit=" times"', id="progress"),
    pytest.param("training/train.py", 'unit="img",', 'unit="images",', id="unit of progress"),
    pytest.param("models/unet.py", "class UNet", '"""A remark."""\n\n\nclass UNet', id="docstring"),
    pytest.param("training/train.py", "from etsdm", "# A remark.\nfrom etsdm", id="comment"),
    pytest.param("training/train.py", "import ExitStack\n", "import ExitStack, suppress\n", id="import line"),
    pytest.param("diffusion/schedules/betas.py", "def ramp(", "UNUSED = 7\n\n\ndef ramp(", id="unused constant"),
    pytest.param("runtime/manifest.py", '"cpu_seconds"', '"seconds_of_cpu"', id="manifest"),
    pytest.param("runtime/attempts.py", "KILLS = 3", "KILLS = 5", id="attempts"),
    pytest.param("runtime/files.py", "hex[:8]", "hex[:6]", id="file helpers"),
    pytest.param("runtime/parts.py", "going on after", "after", id="parts"),
    pytest.param("runtime/devices.py", "WAIT = 1.0", "WAIT = 2.0", id="claims of GPUs"),
    pytest.param("runtime/stop.py", "import signal", "import signal\n\nUNUSED = 1", id="signals"),
    pytest.param("solvers/ddim.py", "Real = Field(0.0, ge=0, le=1)", "Real = Field(0.5, ge=0, le=2)", id="settings"),
    pytest.param("solvers/solver.py", "of {self.name} is more than", "of {self.name} exceeds", id="a refusal"),
    pytest.param("config/registry.py", "def names(", "def unused(self): ...\n\n    def names(", id="registry"),
    pytest.param("plan/runs.py", "def identity(", "def unused(): ...\n\n\ndef identity(", id="plan"),
    pytest.param("metrics/moments.py", "\ndef ", "\ndef unused(x):\n    return x\n\n\ndef ", id="unused function"),
    pytest.param("metrics/distances/kernel.py", "order: ClassVar[int] = 20", "order: ClassVar[int] = 5", id="order"),
    pytest.param("metrics/encoders/inception.py", "FID: Frechet", "Frechet", id="description"),
    pytest.param("cli.py", "def main(", "def unused(): ...\n\n\ndef main(", id="command line"),
]


@pytest.mark.parametrize(("file", "old", "new"), NOTHING)
def test_what_cannot_change_a_number_does_not_count(before, edit, file, old, new):
    edit(file, old, new)
    assert not changed(before)


def test_a_module_may_change_its_name(before, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "etsdm", tmp_path / "etsdm", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "etsdm/diffusion/seeds.py").rename(tmp_path / "etsdm/randomness.py")
    for path in (tmp_path / "etsdm").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace("from etsdm.diffusion.seeds import", "from etsdm.randomness import"), encoding="utf-8"
        )
    with monkeypatch.context() as patch:
        patch.setattr(files, "ROOT", tmp_path)
        forget()
        assert not changed(before)
    forget()


ALL = {"train", "linear", "cosine", *(f"train {name}" for name in METHODS.names())}
SAMPLING = {"sample", "restore", *(f"sample by {name}" for name in SOLVERS.names())}
SOMETHING = [
    pytest.param("data/sources/__init__.py", 'spec["path"]', 'spec["path"] + "/train"', {"prepare"}, id="which images"),
    pytest.param("data/sources/digits.py", "load_digits()", "load_digits(n_class=9)", {"prepare digits"}, id="digits"),
    pytest.param("diffusion/schedules/betas.py", "BETA_END = ", "BETA_END = 2 * ", {"linear"}, id="beta"),
    pytest.param("training/data.py", "def draw(", "@staticmethod\ndef draw(", ALL, id="a decorator"),
    pytest.param("models/unet.py", "class UNet(", "class UNet(object, ", ALL | SAMPLING, id="network"),
    pytest.param("solvers/ddim.py", "def solve(", "X = 1\n\n\ndef solve(", {"sample by ddim"}, id="solver"),
    pytest.param("solvers/grids.py", "\ndef ", "\nassert __name__\n\n\ndef ", SAMPLING, id="a statement of a grid"),
    pytest.param("sampling/philox.py", "ROUNDS = 10", "ROUNDS = 7", SAMPLING, id="noise"),
    pytest.param("training/state.py", "KEEP = ", "KEEP = 1 + ", ALL, id="saved states"),
    pytest.param("runtime/devices.py", "allow_tf32 = ", "allow_tf32 = not ", ALL | SAMPLING, id="precision"),
    pytest.param(
        "runtime/processes.py", "class Processes", "@decorated\nclass Processes", ALL | SAMPLING, id="several GPUs"
    ),
    pytest.param("metrics/encoders/classifier.py", "OUT = 0.2", "OUT = 0.1", {"encoder classifier"}, id="classifier"),
    pytest.param("metrics/distances/kernel.py", "x * x * x", "x * x", {"score by kernel"}, id="distance"),
    pytest.param("metrics/moments.py", "KEY = 0", "KEY = 1", {"score by frechet"}, id="bootstrap"),
]


@pytest.mark.parametrize(("file", "old", "new", "which"), SOMETHING)
def test_what_can_change_a_number_counts(before, edit, file, old, new, which):
    edit(file, old, new)
    assert which <= changed(before)


def test_an_edit_of_one_thing_leaves_the_others_alone(before, edit):
    edit("solvers/ddim.py", "def solve(", "X = 1\n\n\ndef solve(")
    edit("data/sources/digits.py", "load_digits()", "load_digits(n_class=9)")
    edit("probes/stability.py", "def probe(", "X = 1\n\n\ndef probe(")
    edit("metrics/distances/kernel.py", "x * x * x", "x * x")
    by_kernel = {"score by kernel", "score by kernel-subsets"}
    assert changed(before) == {"sample by ddim", "prepare digits", "probe stability"} | by_kernel


# -------------------------------------------------------------------------------------- code edited while a run goes on


def test_a_job_refuses_other_code_than_the_workflow_was_planned_with(edit):
    planned = code("sample", SOLVERS.module("ddim"))
    fingerprint.check(planned)
    edit("solvers/ddim.py", "def solve(", "X = 1\n\n\ndef solve(")
    with pytest.raises(UserError, match=r"'sample etsdm.solvers.ddim' has changed since the workflow was started"):
        fingerprint.check(planned)


def test_jobs_on_other_machines_are_handed_the_code_of_the_plan(edit, monkeypatch):
    """They plan the workflow again, when the code may be another by now."""
    monkeypatch.setenv(fingerprint.HANDED_DOWN, "{}")
    module = SOLVERS.module("ddim")
    planned = fingerprint.Planned(is_start=True).code("sample", module)
    edit("solvers/ddim.py", "def solve(", "X = 1\n\n\ndef solve(")
    assert fingerprint.Planned(is_start=False).code("sample", module) == planned != code("sample", module)
    assert fingerprint.Planned(is_start=True).code("sample", module) == code("sample", module)


def test_a_module_that_is_gone_is_other_code():
    planned = code("sample", SOLVERS.module("ddim"))
    with pytest.raises(UserError, match="has changed"):
        fingerprint.check(planned.replace("solvers.ddim", "solvers.heun"))
