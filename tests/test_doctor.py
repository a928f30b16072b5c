"""`etsdm doctor`: what there is, what is missing, and no crash on any machine."""

import json
import os
import resource
import socket
from errno import ENOLCK, ENOSYS, EROFS
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner, Result
from configs import tiny, write_config

from etsdm import doctor
from etsdm.cli import main
from etsdm.cost.estimate import footprint
from etsdm.doctor import (
    Case,
    Line,
    checks,
    data,
    disk,
    examine,
    gpus,
    hours,
    locks,
    open_files,
    processor,
    pytorch,
    slurm,
    weights,
)
from etsdm.metrics.encoders import ENCODERS
from etsdm.plan.plan import make_plan
from etsdm.runtime import locks as runtime_locks
from etsdm.runtime.places import without_home

FOLDER = {"source": "folder", "path": "not-there", "resolution": 8, "resize": "lanczos"}
VARIABLES = ("ETSDM_DEVICE", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE")


@pytest.fixture(autouse=True)
def nobody_asks_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables that speak of GPUs; without a driver there is none to hide."""
    for name in (*VARIABLES, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus.gpus, "driver_version", lambda: None)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)])


def marks(result: Result) -> dict[str, str]:
    """The mark of each line of JSON by what it is of."""
    return {line["what"]: line["mark"] for line in json.loads(result.output)["lines"]}


# ---------------------------------------------------------------------------------------------- the command as a whole


def test_each_file_is_a_check_with_a_place_of_its_own() -> None:
    files = {file.stem for file in Path(str(doctor.__file__)).parent.glob("[a-z]*.py")}
    modules = checks()
    assert {check.__name__.rpartition(".")[2] for check in modules} == files
    assert len({check.ORDER for check in modules}) == len(files)


def test_a_configuration_that_can_run_ends_with_0(tmp_path: Path) -> None:
    done = run(write_config(tmp_path / "tiny.yaml"), "--results", tmp_path / "results")
    assert done.exit_code == 0, done.output
    assert "data digits" in done.output and "1,797 images, with labels" in done.output
    assert done.output.endswith("tiny.yaml: can run\n")
    assert not (tmp_path / "results").exists()


def test_every_data_set_that_is_missing_has_a_line(tmp_path: Path) -> None:
    config = write_config(tmp_path / "mine.yaml", **{"datasets.one": FOLDER, "datasets.cats": "afhq-cat"})
    done = run(config, "--json")
    assert done.exit_code == 1
    assert {what: mark for what, mark in marks(done).items() if what.startswith("data ")} == {
        "data digits": "fine",
        "data one": "missing",
        "data cats": "missing",
    }
    assert "bash download.sh afhq-dataset" in done.output


def test_what_can_be_downloaded_is_fetched_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = make_plan(tiny(**{"datasets.cifar": "cifar10"}), "mine.yaml", look=False)
    (line,) = [line for line in data.lines(Case(tmp_path, plan, "mine.yaml")) if line.mark == "missing"]
    assert (line.what, line.cure) == ("data cifar", "etsdm fetch mine.yaml")


@pytest.mark.parametrize("text", ["name: [", "name: mine\nseeds: none\n", None])
def test_a_wrong_configuration_is_a_line_beside_those_of_the_machine(tmp_path: Path, text: str | None) -> None:
    config = tmp_path / "mine.yaml"
    if text is not None:
        config.write_text(text)
    done = run(config, "--json")
    assert done.exit_code == 1
    assert marks(done)["configuration"] == "missing" and marks(done)["Python"] == "fine"


def test_json_names_no_host_and_no_folder(tmp_path: Path) -> None:
    config = write_config(tmp_path / "mine.yaml", **{"datasets.one": FOLDER | {"path": str(tmp_path / "deep" / "one")}})
    text = run(config, "--json", "--results", tmp_path).output
    assert str(tmp_path) not in text and os.path.expanduser("~/") not in text  # noqa: PTH111
    assert socket.gethostname() not in text


def test_a_home_is_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert without_home("looked in /home/somebody") == "looked in ~"
    monkeypatch.setenv("HOME", "/")
    assert without_home("looked in /data") == "looked in /data"


def test_a_bare_machine_crashes_no_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command is there: no git, no nvidia-smi, no SLURM."""
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = [*examine(None, tmp_path / "results")]
    assert [line.what for line in lines if "cannot be looked at" in line.text] == []
    assert next(line for line in lines if line.what == "SLURM").mark == "no matter"


def test_a_check_that_fails_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise PermissionError("not for you")

    monkeypatch.setattr(processor, "cpus", fail)
    lines = {line.what: line for line in examine(None, Path("results"))}
    assert lines["processor"] == Line("processor", "missing", "cannot be looked at (PermissionError: not for you)")
    assert "memory" not in lines and "open files" in lines


# ---------------------------------------------------------------------------------------------------- single checks


@pytest.mark.parametrize(
    ("version", "locked", "mark"),
    [
        ("2.14.1+cu130", "2.14.1", "fine"),
        ("2.11.0", "2.14.1", "no matter"),
        ("2.14.10", "2.14.1", "no matter"),
        ("2.11.0", None, "fine"),
    ],
)
def test_pytorch_beside_the_lock(version: str, locked: str | None, mark: str) -> None:
    assert pytorch.beside(version, locked).mark == mark


def test_the_locked_version_is_read_from_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert pytorch.locked() == torch.__version__.partition("+")[0]
    monkeypatch.setattr(pytorch, "LOCK", tmp_path / "requirements.lock")
    assert pytorch.locked() is None
    pytorch.LOCK.write_text("torchvision==1.0\ntorch==3.1 ; python_version > '3'\n")
    assert pytorch.locked() == "3.1"


def gpu_lines(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], bf16: bool) -> dict[str, Line]:
    """What is said of a machine with one GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    seen = SimpleNamespace(name="Some GPU", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: seen)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    return {line.what: line for line in gpus.lines(Case(Path()))}


def test_a_gpu_is_named_with_its_memory_and_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = gpu_lines(monkeypatch, (9, 0), True)
    assert lines["GPU 0"].text == "Some GPU, 80 GiB"
    assert (lines["bfloat16"].mark, lines["TF32"].mark) == ("fine", "fine")
    lines = gpu_lines(monkeypatch, (7, 5), False)
    assert (lines["bfloat16"].mark, lines["TF32"].mark) == ("no matter", "no matter")


@pytest.mark.parametrize(("compiler", "mark"), [("gcc", "fine"), (None, "no matter")])
def test_a_compiler_is_the_one_that_trainings_look_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiler: str | None, mark: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    if compiler:
        (tmp_path / compiler).write_text("")
        (tmp_path / compiler).chmod(0o755)
    assert gpu_lines(monkeypatch, (9, 0), True)["compiler"].mark == mark


@pytest.mark.parametrize(
    ("driver", "variables", "mark"),
    [
        (None, {}, "no matter"),
        ("535.1", {}, "missing"),
        ("535.1", {"ETSDM_DEVICE": "cpu"}, "no matter"),
        ("535.1", {"CUDA_VISIBLE_DEVICES": "-1"}, "no matter"),
        (None, {"SLURM_JOB_GPUS": "0"}, "missing"),
    ],
)
def test_a_gpu_that_pytorch_does_not_see(
    monkeypatch: pytest.MonkeyPatch, driver: str | None, variables: dict[str, str], mark: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpus.gpus, "driver_version", lambda: driver)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (line,) = [line for line in gpus.lines(Case(Path())) if line.what == "GPU"]
    assert line.mark == mark
    assert ("sees no GPU" in line.text) == (mark == "missing")


@pytest.mark.parametrize(
    ("side", "has_gpu", "is_wanted", "mark"),
    [
        (28, False, True, "fine"),
        (32, False, True, "missing"),
        (32, True, True, "fine"),
        (256, False, False, "no matter"),
    ],
)
def test_large_images_need_a_gpu(side: int, has_gpu: bool, is_wanted: bool, mark: str) -> None:
    assert hours.device(side, has_gpu, is_wanted).mark == mark


def test_hours_are_those_of_the_plan() -> None:
    cost = {"device": "a device", "resolution": 8, "train": 64.0, "sample": 1e9, "features": 1.0}
    plan = make_plan(tiny(**{"training.images": 64 * 3600, "cost": cost}), "test", look=False)
    *_, line = hours.lines(Case(Path(), plan))
    assert line.text == "about 2 of a device, by the block `cost`"
    *_, line = hours.lines(Case(Path(), make_plan(tiny(), "test", look=False), "tiny.yaml"))
    assert "etsdm plan tiny.yaml --measure" in line.text


@pytest.mark.parametrize(("free", "mark"), [(99, "missing"), (100, "fine")])
def test_disk_and_files_beside_what_is_needed(free: int, mark: str) -> None:
    assert disk.space(free, 100).mark == mark
    assert disk.number(free, 100).mark == mark


def test_a_plan_larger_than_the_disk_is_missing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(tiny(), "test", look=False)
    needs = footprint(plan)
    assert needs.bytes > 1e5 and needs.files > 50
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=needs.bytes - 1))
    first, *_ = disk.lines(Case(tmp_path / "not" / "there", plan))
    assert (first.what, first.mark) == ("disk", "missing")


def test_memory_and_open_files_have_a_least() -> None:
    assert [processor.memory(size).mark for size in (5e8, 2e9)] == ["missing", "fine"]
    limits = (100, 256, resource.RLIM_INFINITY)
    assert [open_files.limit(files).mark for files in limits] == ["missing", "fine", "fine"]


def test_memory_is_that_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = processor._memory()
    monkeypatch.setattr(processor, "LIMIT", tmp_path / "memory.max")
    assert processor._memory() >= whole
    processor.LIMIT.write_text("max\n")
    assert processor._memory() >= whole
    processor.LIMIT.write_text("5000000\n")
    assert processor._memory() == 5_000_000


@pytest.mark.parametrize(
    ("errno", "mark"), [(ENOSYS, "no matter"), (ENOLCK, "missing"), (EROFS, "missing"), (None, "fine")]
)
def test_locks_as_jobs_find_them(errno: int | None, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        if errno:
            raise OSError(errno, os.strerror(errno))

    monkeypatch.setattr(runtime_locks.fcntl, "flock", fail)
    first, *_ = locks.lines(Case(tmp_path / "results"))
    assert (first.what, first.mark) == ("locks", mark)
    assert not [*tmp_path.iterdir()]


def test_a_file_system_without_hard_links_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locks.can_link(tmp_path)

    def fail(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(locks.os, "link", fail)
    assert [line.mark for line in locks.lines(Case(tmp_path))] == ["fine", "no matter"]


@pytest.mark.parametrize(
    ("here", "mark"),
    [
        ([], "no matter"),
        (["scontrol", "sacct"], "no matter"),
        (["sbatch", "scontrol", "sacct"], "fine"),
        (["sbatch", "scontrol"], "no matter"),
        (["sbatch", "sacct"], "missing"),
    ],
)
def test_commands_of_slurm(here: list[str], mark: str) -> None:
    assert slurm.commands(here).mark == mark


def test_the_plug_in_is_missing_only_where_jobs_are_submitted() -> None:
    assert [slurm.plugin(None, submits).mark for submits in (True, False)] == ["missing", "no matter"]
    assert slurm.plugin("2.8.0", True).text.endswith(" 2.8.0")


def test_weights_are_needed_by_a_configuration_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etsdm.metrics.encoders.inception.offline_weights", lambda: None)
    assert {line.mark for line in weights.lines(Case(tmp_path))} == {"no matter"}
    evaluation = {"samples": 3000, "encoders": ["inception"], "distances": ["frechet"]}
    case = Case(tmp_path, make_plan(tiny(evaluation=evaluation), "test", look=False), "mine.yaml")
    (line,) = weights.lines(case)
    assert line.mark == "missing" and line.cure.startswith("etsdm fetch mine.yaml")
    file = tmp_path / "encoders" / "inception" / "inception-2015-12-05.pt"
    file.parent.mkdir(parents=True)
    file.touch()
    (line,) = weights.lines(case)
    assert line.mark == "fine"


def test_a_copy_that_is_given_must_be_there(tmp_path: Path) -> None:
    encoder = ENCODERS.read({"name": "dinov2", "weights": str(tmp_path / "dinov2.pth")})
    assert weights.of_one(encoder, tmp_path / "fetched.pth", "mine.yaml").mark == "missing"
    (tmp_path / "dinov2.pth").touch()
    assert weights.of_one(encoder, tmp_path / "fetched.pth", "mine.yaml").mark == "fine"
