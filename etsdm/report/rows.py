"""One tidy table: a row for each measurement, NA with its reason where one failed."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from etsdm.files import atomic, read_json
from etsdm.metrics.names import metric_name

COLUMNS = [
    "experiment",
    "dataset",
    "resolution",
    "time",
    "schedule",
    "method",
    "method_parameters",
    "solver",
    "solver_parameters",
    "nfe",
    "seed",
    "metric",
    "t_prime",
    "t",
    "n",
    "value",
    "reason",
    "reference_count",
    "reference_digest",
    "seconds",
    "train_seconds",
    "device",
    "revision",
    "file",
]
ERROR = "etsdm: error: "


def _parameters(spec: dict[str, Any], without: tuple[str, ...]) -> str:
    return json.dumps({key: value for key, value in spec.items() if key not in without})


def _reason(folders: list[Path]) -> str:
    """Why there is no value: the first error in the logs of the runs a measurement needs, from the data on.

    A run with a log and no manifest was cut off, or ended in a way that it could not explain.
    """
    unfinished = "not run"
    for folder in folders:
        for log in sorted(folder.glob("*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith(ERROR):
                    return line.removeprefix(ERROR)
            if unfinished == "not run" and not (folder / "manifest.json").exists():
                unfinished = f"did not finish; see {log}"
    return unfinished


def _manifest(folder: Path) -> dict[str, Any]:
    file = folder / "manifest.json"
    return read_json(file) if file.exists() else {}


def _score_values(measurement: dict[str, Any], inventory: dict[str, Any], scores: dict[str, Any] | None) -> list:
    evaluation = inventory["config"]["evaluation"]
    encoder = inventory["encoders"][measurement["encoder"]]["name"]
    metrics = [metric_name(distance, encoder, evaluation["samples"]) for distance in evaluation["distances"]]
    if scores is None:
        return [{"metric": metric, "n": evaluation["samples"]} for metric in metrics]
    reference = scores["reference"]
    return [
        {
            "metric": metric,
            "n": scores["n"],
            "value": scores["values"].get(metric),
            "reason": None if metric in scores["values"] else "not scored yet",
            "reference_count": reference["count"],
            "reference_digest": reference["digest"],
        }
        for metric in metrics
    ]


def _probe_values(probe: dict[str, Any] | None) -> list[dict[str, Any]]:
    if probe is None:
        return [{"metric": metric} for metric in ("K", "K-per-sqrt-dimension")]
    return [
        {"metric": metric, "n": probe["n"], "t_prime": p["t_prime"], "t": p["t"], "value": p[key]}
        for p in probe["points"]
        for metric, key in (("K", "K"), ("K-per-sqrt-dimension", "K_per_sqrt_dimension"))
    ]


def _measurement_rows(measurement: dict[str, Any], inventory: dict[str, Any], results: Path) -> list[dict[str, Any]]:
    model = inventory["models"][measurement["model"]]
    sample = measurement["sample"]
    solver = inventory["samples"][sample]["solver"] if sample else {}
    file = results / measurement["file"]
    content = read_json(file) if file.exists() else None
    made = _manifest(results / sample if sample else file.parent)
    trained = _manifest(results / measurement["model"])
    common = {
        "experiment": measurement["experiment"],
        "dataset": model["dataset"]["name"],
        "resolution": model["dataset"]["resolution"],
        "time": model["diffusion"]["time"],
        "schedule": model["diffusion"]["schedule"],
        "method": model["method"]["name"],
        "method_parameters": _parameters(model["method"], ("name",)),
        "solver": solver.get("name"),
        "solver_parameters": _parameters(solver, ("name", "nfe")) if solver else None,
        "nfe": solver.get("nfe"),
        "seed": model["seed"],
        "seconds": made.get("seconds"),
        "train_seconds": trained.get("result", {}).get("seconds"),
        "device": made.get("device"),
        "revision": made.get("git", {}).get("revision"),
        "file": measurement["file"],
    }
    if content is None:
        folders = [measurement["data"], measurement["model"], measurement["encoder"], sample]
        paths = [results / folder for folder in folders if folder]
        common["reason"] = _reason([*paths, file.parent])
    values = _score_values(measurement, inventory, content) if sample else _probe_values(content)
    return [common | value for value in values]


def collect_rows(inventory: dict[str, Any], results: Path) -> pd.DataFrame:
    """All measurements of a benchmark, one a row, in the columns `COLUMNS`.

    Args:
        inventory: the plan as plain data.
        results: root of the results.
    """
    rows = [row for m in inventory["measurements"] for row in _measurement_rows(m, inventory, results)]
    return pd.DataFrame(rows, columns=COLUMNS)


def collect_losses(inventory: dict[str, Any], results: Path) -> pd.DataFrame:
    """The training curves: a row for each logged point of each training, with losses by timestep quartile."""
    frames = []
    for path, model in inventory["models"].items():
        file = results / path / "metrics.jsonl"
        if file.exists():
            frame = pd.read_json(file, lines=True)
            frame.insert(0, "seed", model["seed"])
            frame.insert(0, "method_parameters", _parameters(model["method"], ("name",)))
            frame.insert(0, "method", model["method"]["name"])
            frame.insert(0, "schedule", model["diffusion"]["schedule"])
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
