"""Take over results that are right, although Snakemake cannot know it: copied, cloned, or made under another clock.

Each result is checked by its manifest: its own digest, those of what it was made from, its specification, its code and
its settings. What passes gets one time for all files, and Snakemake's record of how it was made.
"""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from etsdm import fingerprint
from etsdm.data import prepared
from etsdm.data.sources import expanded
from etsdm.errors import UserError
from etsdm.metrics.encoders import ENCODERS
from etsdm.metrics.score import modules
from etsdm.plan.plan import Plan
from etsdm.plan.runs import Run
from etsdm.plan.stages import loaded, torch_of
from etsdm.report.contents import (
    MOSAIC,
    figure_code,
    figure_files,
    figure_names,
    files_of,
    note_of,
    page_code,
    rows_code,
    table_files,
    tables_code,
)
from etsdm.runtime.digests import remembered
from etsdm.runtime.files import read_json, write_json
from etsdm.runtime.intact import redo
from etsdm.training.snapshots import Snapshot, intermediate

TARGETS = 2000
"""Files named in one call of Snakemake."""


class Result(NamedTuple):
    """What one job makes, as far as a plan tells.

    Attributes:
        manifest: the manifest that must tell of it.
        outputs: its files, the one to ask Snakemake for first.
        inputs: the files that it is made from, in the order of the manifest.
        spec: its specification; None for a stage that has none.
        code: the stage and the modules that it loads by name.
        passing: whether its files may be gone, once they have been used (`keep.samples`).
    """

    manifest: Path
    outputs: list[Path]
    inputs: list[Path]
    spec: Any
    code: list[str]
    passing: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether its files have been used, and were not kept."""
        return self.passing and self.manifest.exists() and not self.outputs[0].exists()


class Verdict(NamedTuple):
    """What becomes of results.

    Attributes:
        adopted: those that are right, in the order of the workflow.
        refused: why each other is not, by the first of its files; those that are not there are left out.
        outdated: prepared data among the adopted, whose source has changed since.
    """

    adopted: list[Result]
    refused: dict[Path, str]
    outdated: list[Path]


def results_of(plan: Plan, root: Path) -> Iterator[Result]:
    """What the jobs of a plan make below the folder `root`, each after what it is made from."""

    def result(stage: str, run: Run, outputs: list[str], *inputs: Path) -> Result:
        folder = root / run.path
        files = [folder / name for name in outputs]
        return Result(folder / "manifest.json", files, [*inputs], run.spec, [stage, *loaded(stage, run)])

    def images(run: Run) -> Path:
        return root / run.path / "images.zip"

    def weights(run: Run) -> Path:
        return root / run.path / "weights.safetensors"

    for run in plan.data.values():
        yield result("prepare", run, ["images.zip", "dataset.json", "images.digest"])
    for run in plan.encoders.values():
        trained = "data" in run.needs
        inputs = [root / run.needs["data"].path / name for name in ("images.zip", "dataset.json")] if trained else []
        yield result("encoder", run, [ENCODERS[run.spec["name"]].file], *inputs)
    for run in plan.models.values():
        initial = run.model.training.initial
        snapshots = [snapshot.file for snapshot in intermediate(run.model.training)]
        inputs = [images(run.needs["data"]), *([Path(expanded(initial.weights))] if initial else [])]
        yield result("train", run, ["weights.safetensors", "metrics.jsonl", *snapshots], *inputs)
    for run in plan.snapshots.values():
        file = root / run.needs["training"].path / Snapshot(**run.spec["snapshot"]).file
        yield result("snapshot", run, ["weights.safetensors"], file)
    passing, shown = plan.config.keep.samples != "all", plan.shown()
    for path, run in plan.samples.items():
        sampled = result("sample", run, ["samples.zip"], weights(run.needs["model"]))
        yield sampled._replace(passing=passing)
        if path in shown:
            out = root / path / "shown.zip"
            yield Result(_beside(out), [out], sampled.outputs, {"count": math.prod(MOSAIC)}, ["excerpt"])
    for run in plan.restorations.values():
        made_from = weights(run.needs["model"]), images(run.needs["test"])
        yield result("restore", run, ["restored.zip", "inputs.zip"], *made_from)
        scores, files = root / run.path / "scores.json", [root / run.path / "restored.zip", made_from[1]]
        yield Result(_beside(scores), [scores], files, None, ["compare"])
    for run in plan.probes.values():
        model = run.needs["model"]
        yield result("probe", run, ["result.json"], weights(model), images(model.needs["data"]))
    for run in plan.theories.values():
        yield result("theory", run, ["result.json"])
    yield from _distances(plan, root)


def _distances(plan: Plan, root: Path) -> Iterator[Result]:
    evaluation = plan.config.evaluation
    distances = list(evaluation.distances)

    def features(of: Path, encoder: Run, count: int | None) -> Result:
        out = of.parent / encoder.label / "features.npz"
        weights = root / encoder.path / ENCODERS[encoder.spec["name"]].file
        spec = {"encoder": encoder.spec["name"], "count": count}
        return Result(_beside(out), [out], [weights, of], spec, ["features", *loaded("features", encoder)])

    for folder, encoder in plan.references.items():
        extracted = features(root / folder.rpartition("/")[0] / "images.zip", encoder, None)
        yield extracted
        out = extracted.outputs[0].with_name("reference.npz")
        spec = {"encoder": encoder.spec["name"], "distances": distances}
        yield Result(_beside(out), [out], extracted.outputs, spec, ["score", *modules(encoder.spec["name"], distances)])
    for file, measurement in plan.measured("distance").items():
        assert measurement.encoder
        encoder, count = measurement.encoder, measurement.run.spec["samples"]
        extracted = features(root / measurement.run.path / "samples.zip", encoder, count)
        yield extracted
        reference = [root / measurement.reference / name for name in ("features.npz", "reference.npz")]
        spec = {"encoder": encoder.spec["name"], "distances": distances, "count": count}
        spec |= {"bootstrap": evaluation.bootstrap}
        code = ["score", *modules(encoder.spec["name"], distances)]
        yield Result(_beside(root / file), [root / file], [*extracted.outputs, *reference], spec, code)


def report_of(plan: Plan, root: Path) -> Iterator[Result]:
    """What the jobs of a plan's report make."""
    report, inventory = root / plan.report, plan.inventory()
    rows = [report / "rows.csv", report / "losses.csv"]
    tables, figures = table_files(report, inventory), figure_files(report, inventory)
    measured = [root / measurement.file for measurement in plan.measurements]
    yield Result(_beside(rows[0]), rows, measured, None, ["rows", *rows_code()])
    yield Result(report / "tables.manifest.json", tables, rows, None, ["tables", *tables_code(inventory)])
    for name in figure_names(inventory):
        code = ["figure", *figure_code(inventory, name)]
        yield Result(note_of(report, name), files_of(report, name), rows, None, code)
    page = [report / "report.html"]
    yield Result(_beside(page[0]), page, [*rows, *tables, *figures], None, ["page", *page_code()])


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.stem}.manifest.json")


def judge(plan: Plan, root: Path, any_code: bool = False, seen: Callable[[int], object] = lambda _: None) -> Verdict:
    """Which results of a plan are right.

    Args:
        plan: what the results are to be.
        root: root of the results.
        any_code: also take those of other code.
        seen: told the bytes of each file that was read.
    """
    digests: dict[Path, str] = {}

    def digest(file: Path) -> str:
        if file not in digests:
            digests[file] = remembered(file)
            seen(file.stat().st_size)
        return digests[file]

    verdict, passed = Verdict([], {}, []), set[Path]()

    def consider(results: Iterator[Result]) -> None:
        for result in results:
            if not result.outputs[0].exists() and not result.is_gone:
                continue
            if result.is_gone:
                digests[result.outputs[0]] = read_json(result.manifest)["outputs"].get(result.outputs[0].name)
            torch = torch_of(plan, result.code[0]).get("torch")
            if reason := _wrong(result, root, digest, passed, any_code, torch):
                verdict.refused[result.outputs[0]] = reason
            else:
                verdict.adopted.append(result)
                passed.update(result.outputs)

    consider(results_of(plan, root))
    for run in plan.data.values():
        images = root / run.path / "images.zip"
        if images in passed and _source_changed(images.parent, run.spec):
            verdict.outdated.append(images)
            verdict.refused[images] = (
                "its source has other files or times by now; `make reproduce` prepares it again first, and makes the "
                "rest again only if the images are others"
            )
    inventory = root / plan.report / "inventory.json"
    if inventory.exists() and read_json(inventory) == plan.inventory() and not verdict.refused:
        consider(report_of(plan, root))
    return verdict


def _source_changed(folder: Path, spec: dict[str, Any]) -> bool:
    before = read_json(folder / "manifest.json")["result"].get("source")
    return bool(before != prepared.known_by(folder, spec))


def _wrong(
    result: Result,
    root: Path,
    digest: Callable[[Path], str],
    passed: set[Path],
    any_code: bool,
    torch: str | None,
) -> str | None:
    """Why a result cannot be taken over; None if it can."""
    if not result.manifest.exists():
        return f"{result.manifest.name} is missing beside it"
    manifest = read_json(result.manifest)
    for file in result.outputs:
        if not file.exists() and not result.is_gone:
            return f"{file.name} is missing beside it"
        if manifest["outputs"].get(file.name) != digest(file):
            return f"{file.name} is not what its manifest says that was made"
    for file in result.inputs:
        if file in passed:
            continue
        if not file.exists():
            return f"made from {file}, which is missing"
        if file.is_relative_to(root):
            return f"made from {file}, which is not taken over"
    if [*manifest["inputs"].values()] != [digest(file) for file in result.inputs]:
        return "made from other files than those that are there"
    if result.spec is not None and manifest["spec"] != result.spec:
        return "made by another specification"
    if not any_code and manifest["code"].split()[1:] != result.code:
        return (
            f"made by {' '.join(manifest['code'].split()[1:]) or 'code that is not known'!r}, "
            f"not {' '.join(result.code)!r}"
        )
    if torch and manifest["packages"]["torch"] != torch:
        return f"made by PyTorch {manifest['packages']['torch']}, and same_torch asks for {torch}"
    if not any_code and not fingerprint.is_same(manifest["code"]):
        return "made by other code; where you know that it gives the same numbers: --any-code"
    return None


def adopt(verdict: Verdict, plan: Plan, root: Path, config: Path, snakemake: list[str]) -> None:
    """Give what was adopted one time, and Snakemake's records.

    Args:
        verdict: see `judge`.
        plan: see `judge`.
        root: root of the results.
        config: file of the configuration.
        snakemake: options for Snakemake.

    Raises:
        UserError: Snakemake has failed.
    """
    for result in verdict.adopted:
        _note_code(result)
    everything = not verdict.refused and any(result.code[0] == "page" for result in verdict.adopted)
    files = [file for result in verdict.adopted for file in (*result.outputs, result.manifest) if file.exists()]
    if everything:
        files.append(root / plan.report / "inventory.json")
    now = time.time()
    for file in files:
        os.utime(file, (now, now))
    inputs = {file for result in verdict.adopted for file in result.inputs}
    ends = [result.outputs[0] for result in verdict.adopted if not inputs & {*result.outputs}]
    batches = [[]] if everything else [ends[start : start + TARGETS] for start in range(0, len(ends), TARGETS)]
    for batch in batches:
        command = [sys.executable, "-m", "snakemake", "--configfile", str(config), "--cores", "1", *snakemake]
        process = subprocess.run(
            [*command, "--touch", "--forceall", "--quiet", "all", "--", *map(str, batch)], check=False
        )
        if process.returncode:
            raise UserError(f"Snakemake could not note what is taken over (exit code {process.returncode}); see above")
    for images in verdict.outdated:  # Snakemake has noted today's source for it
        redo(images)


def _note_code(result: Result) -> None:
    """Write down that a result of other code stands for one of today's."""
    manifest = read_json(result.manifest)
    today = fingerprint.code(*result.code)
    if manifest["code"] != today:
        earlier = {"code": manifest["code"], "adopted": datetime.now(UTC).isoformat(timespec="seconds")}
        write_json(
            result.manifest, manifest | {"code": today, "earlier_code": [*manifest.get("earlier_code", []), earlier]}
        )
