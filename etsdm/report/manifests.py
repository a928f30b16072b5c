"""What the runs cost, from their manifests."""

from typing import Any

import pandas as pd

from etsdm.report.results import Results
from etsdm.report.rows import networks
from etsdm.runtime.files import read_json
from etsdm.runtime.intact import is_whole, read_manifest

STAGES = {
    "models": "training",
    "encoders": "encoders",
    "samples": "sampling",
    "restorations": "restoring",
    "probes": "probes",
    "theory": "theory",
}
"""Heading of each kind of run in the inventory."""

COLUMNS = [
    "stage",
    "path",
    "dataset",
    "resolution",
    "method",
    "what",
    "nfe",
    "images",
    "seconds",
    "memory",
    "device",
    "cpu",
    "cpus",
    "result",
]


def runs(results: Results) -> pd.DataFrame:
    """A row for each run that ended, with what it cost: the columns `COLUMNS`, `what` being the solver or the probe."""
    inventory, models = results.inventory, networks(results.inventory)
    model_of = {m["run"]: m["model"] for m in inventory["measurements"]}
    rows = []
    for kind, stage in STAGES.items():
        for path, spec in inventory[kind].items():
            if manifest := read_manifest(results.root / path / "manifest.json"):
                model = models.get(path if kind == "models" else model_of.get(path, ""))
                rows.append({"stage": stage, "path": path} | _of(spec, model) | _cost(manifest))
    return pd.DataFrame(rows, columns=COLUMNS)


def _of(spec: dict[str, Any], model: dict[str, Any] | None) -> dict[str, Any]:
    columns: dict[str, Any] = {"images": spec.get("samples")}
    if model:
        columns |= {"dataset": model["dataset"]["name"], "resolution": model["dataset"]["resolution"]}
        columns["method"] = model["method"]["name"]
    if "training" in spec:
        columns["images"] = spec["training"]["images"]
    if "solver" in spec:
        columns |= {"what": spec["solver"]["name"], "nfe": spec["solver"]["nfe"]}
    return columns | ({"what": spec["probe"]} if "probe" in spec else {})


def _cost(manifest: dict[str, Any]) -> dict[str, Any]:
    """A training that was cut off states the seconds of all its parts in its result."""
    return {
        "seconds": manifest["result"].get("seconds", manifest["seconds"]),
        "memory": manifest["peak_memory_mb"],
        "device": manifest["device"],
        "cpu": manifest["cpu"],
        "cpus": manifest["cpus"],
        "result": manifest["result"],
    }


def devices(costs: pd.DataFrame) -> list[str]:
    """Each device that something ran on."""
    distinct = costs[["device", "cpu", "cpus"]].drop_duplicates()
    return [f"{device} ({cpu}, {cpus} CPUs)" for device, cpu, cpus in distinct.itertuples(index=False)]


def descriptions(results: Results) -> dict[str, dict[str, Any]]:
    """What is said of each data set that is there, by its folder: `dataset.json`."""
    files = {path: results.root / path / "dataset.json" for path in results.inventory["data"]}
    return {path: read_json(file) for path, file in files.items() if is_whole(file)}


def image_counts(results: Results) -> dict[str, int]:
    """Number of images of each data set, by its folder."""
    return {path: described["count"] for path, described in descriptions(results).items()}
