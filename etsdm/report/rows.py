"""One tidy table: a row for each measurement, NA with its reason where one failed."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from etsdm.diffusion.loss_weights import NONE
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.settings import Diffusion
from etsdm.diffusion.training_times import UNIFORM
from etsdm.metrics.names import metric_name
from etsdm.report.section import Values
from etsdm.report.sections import values_of
from etsdm.runtime.files import atomic, read_json
from etsdm.runtime.finite import NOT_FINITE
from etsdm.runtime.intact import read_manifest, why_damaged
from etsdm.runtime.places import without_places

COLUMNS = [
    "experiment",
    "dataset",
    "resolution",
    "time",
    "schedule",
    "prediction",
    "training_times",
    "loss_weight",
    "images_seen",
    "ema_half_life",
    "method",
    "method_parameters",
    "solver",
    "solver_parameters",
    "nfe",
    "seed",
    "metric",
    "t_prime",
    "t",
    "perturbation_std",
    "condition_offset",
    "n",
    "value",
    "bootstrap",
    "reason",
    "reference_count",
    "reference_digest",
    "seconds",
    "train_seconds",
    "device",
    "revision",
    "file",
]
POINT = ["solver", "solver_parameters", "nfe", "t_prime", "t", "perturbation_std", "condition_offset"]
"""Where a probe measures."""
DISTANCE = "distance"
"""Kind of the measurements that an encoder and a reference belong to."""
ERROR = "etsdm: error: "


def _parameters(spec: dict[str, Any], without: tuple[str, ...]) -> str:
    return json.dumps({key: value for key, value in spec.items() if key not in without})


def _reason(folders: list[Path]) -> str:
    """Why there is no value: the first error in the logs of the runs a measurement needs, from the data on.

    A run with a log and no manifest was cut off, or ended in a way that it could not explain.
    """
    unfinished = "not run"
    for folder in folders:
        if why := why_damaged(folder):
            return why
        for log in sorted(folder.glob("*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith(ERROR):
                    return str(without_places(line.removeprefix(ERROR)))
            if unfinished == "not run" and not (folder / "manifest.json").exists():
                unfinished = f"did not finish; see {log}"
    return unfinished


def why_missing(measurement: dict[str, Any], results: Path) -> str:
    """Why the file of a measurement is not there."""
    needed = [measurement[key] for key in ("data", "training", "model", "encoder", "run")]
    own = str(Path(measurement["file"]).parent)
    return _reason([results / folder for folder in [*needed, own] if folder])


def _distances(content: dict[str, Any] | None, names: list[str], n: int) -> Values:
    if content is None:
        return [{"metric": name, "n": n} for name in names]
    reference = content["reference"]
    return [
        {
            "metric": name,
            "n": content["n"],
            "value": content["values"].get(name),
            "bootstrap": " ".join(f"{value:.6g}" for value in content.get("bootstrap", {}).get(name, [])) or None,
            "reason": None if name in content["values"] else "not scored yet",
            "reference_count": reference["count"],
            "reference_digest": reference["digest"],
        }
        for name in names
    ]


def _values(measurement: dict[str, Any], inventory: dict[str, Any], content: dict[str, Any] | None) -> Values:
    if measurement["kind"] != DISTANCE:
        return values_of(measurement["kind"])(content)
    evaluation = inventory["config"]["evaluation"]
    encoder = inventory["encoders"][measurement["encoder"]]["name"]
    names = [metric_name(distance, encoder, evaluation["samples"]) for distance in evaluation["distances"]]
    return _distances(content, names, evaluation["samples"])


def _seed(model: dict[str, Any]) -> int:
    """The benchmark's seed behind a model's: a replica stands beside ddpm's model of that seed."""
    return int(model["seed"]) - METHODS.read(model["method"]).seed_shift


def networks(inventory: dict[str, Any]) -> dict[str, Any]:
    """The specifications of all models and snapshots, by path."""
    return {**inventory["models"], **inventory["snapshots"]}


def _process(diffusion: dict[str, Any]) -> dict[str, str]:
    """The columns `PROCESS` of a network."""
    settings = Diffusion.model_validate(diffusion)
    times, weight = settings.training_times, settings.loss_weight
    loss = {"training_times": times.slug if times else UNIFORM, "loss_weight": weight.slug if weight else NONE}
    return {key: getattr(settings, key) for key in ("time", "schedule", "prediction")} | loss


def _of_model(model: dict[str, Any], trained: dict[str, Any]) -> dict[str, Any]:
    seen = model.get("snapshot", model["training"])
    return {
        "dataset": model["dataset"]["name"],
        "resolution": model["dataset"]["resolution"],
        **_process(model["diffusion"]),
        "images_seen": seen["images"],
        "ema_half_life": seen["ema_half_life"],
        "method": model["method"]["name"],
        "method_parameters": _parameters(model["method"], ("name",)),
        "seed": _seed(model),
        "train_seconds": trained.get("result", {}).get("seconds"),
    }


def _of_solver(inventory: dict[str, Any], run: str) -> dict[str, Any]:
    spec = inventory["samples"].get(run) or inventory["restorations"].get(run)
    if spec is None:
        return {}
    solver = spec["solver"]
    return {
        "solver": solver["name"],
        "solver_parameters": _parameters(solver, ("name", "nfe")),
        "nfe": solver["nfe"],
    }


def _measurement_rows(measurement: dict[str, Any], inventory: dict[str, Any], results: Path) -> Values:
    file, run = results / measurement["file"], measurement["run"]
    manifest = read_manifest(results / run / "manifest.json") or {}
    trained = read_manifest(results / measurement["model"] / "manifest.json") or {}
    common = {
        "experiment": measurement["experiment"],
        **_of_model(networks(inventory)[measurement["model"]], trained),
        **_of_solver(inventory, run),
        "seconds": manifest.get("seconds"),
        "device": manifest.get("device"),
        "revision": _revision(manifest.get("git", {})),
        "file": measurement["file"],
    }
    # A failed job takes its manifest away, and leaves what was made from its results before.
    measured = _content(file) if file.exists() and manifest and trained else why_missing(measurement, results)
    content = None if isinstance(measured, str) else measured
    if isinstance(measured, str):
        common["reason"] = measured
    return [common | _finite(value) for value in _values(measurement, inventory, content)]


def _revision(git: dict[str, Any]) -> str | None:
    """The revision; `-edited` follows where the working copy was edited."""
    return f"{git['revision']}-edited" if git.get("dirty") else git.get("revision")


def _content(file: Path) -> dict[str, Any] | str:
    """What a result file holds, or why it cannot be read."""
    try:
        content: dict[str, Any] = read_json(file)
    except ValueError as error:
        return f"{file}: damaged ({error}); remove it and give the workflow command again"
    return content


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """The row, with a reason instead of a value that is not finite."""
    value = row.get("value")
    if value is None or math.isfinite(value):
        return row
    return row | {"value": None, "reason": f"the value is {NOT_FINITE}: {value}"}


def _placed(rows: Values) -> Iterator[dict[str, Any]]:
    """Rows, that of a failed probe repeated for each point that the experiment's other probes have."""
    points: dict[tuple[str, str], dict[tuple[Any, ...], None]] = {}
    for row in rows:
        if "value" in row:
            known = points.setdefault((row["experiment"], row["metric"]), {})
            known[tuple(row.get(key) for key in POINT)] = None
    for row in rows:
        key = row["experiment"], row["metric"]
        if "value" in row or row.keys() & set(POINT) or key not in points:
            yield row
        else:
            yield from (row | dict(zip(POINT, point, strict=True)) for point in points[key])


def collect_rows(inventory: dict[str, Any], results: Path) -> pd.DataFrame:
    """All measurements of trained models, one a row, in the columns `COLUMNS`.

    Args:
        inventory: the plan as plain data.
        results: root of the results.
    """
    measured = [m for m in inventory["measurements"] if m["model"]]
    rows = [row for m in measured for row in _measurement_rows(m, inventory, results)]
    return pd.DataFrame(_placed(rows), columns=COLUMNS)


def collect_losses(inventory: dict[str, Any], results: Path) -> pd.DataFrame:
    """The training curves: a row for each logged point of each training, with losses by timestep quartile."""
    frames = []
    for path, model in inventory["models"].items():
        file = results / path / "metrics.jsonl"
        if file.exists():
            frame = pd.read_json(file, lines=True)
            frame.insert(0, "seed", _seed(model))
            frame.insert(0, "method_parameters", _parameters(model["method"], ("name",)))
            frame.insert(0, "method", model["method"]["name"])
            for key, value in reversed(_process(model["diffusion"]).items()):
                frame.insert(0, key, value)
            frame.insert(0, "task", model["task"]["name"])
            frame.insert(0, "resolution", model["dataset"]["resolution"])
            frame.insert(0, "dataset", model["dataset"]["name"])
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def write_rows(inventory: dict[str, Any], results: Path, out: Path) -> pd.DataFrame:
    """Write `rows.csv` and `losses.csv` into the folder `out`; return the rows."""
    rows = collect_rows(inventory, results)
    for name, frame in (("losses.csv", collect_losses(inventory, results)), ("rows.csv", rows)):
        with atomic(out / name) as temporary:
            frame.to_csv(temporary, index=False)
    return rows
