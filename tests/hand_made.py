"""Result files with hand-chosen values, as the runs of a benchmark would leave them: for tests of the report."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from etsdm.data.archive import write_images
from etsdm.metrics.names import metric_name
from etsdm.plan.plan import make_plan
from etsdm.probes import PROBES
from etsdm.probes.lipschitz import pairs
from etsdm.report.rows import networks, write_rows
from etsdm.runtime.files import write_json

Measure = Callable[[Path, dict[str, Any], dict[str, Any]], None]
GAIN = {"ddpm": 1.0, "etsdm": 0.92, "regularization": 0.98, "modified-schedule": 1.05}
"""Distances relative to ddpm's; that of every other method is 1.1."""

REPLICATES = (1.05, 1.0, 1.1)
"""Of the bootstrap, relative to the distance."""


def manifest(seconds: float, result: dict[str, Any]) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "peak_memory_mb": 512,
        "device": "cpu",
        "cpu": "x86_64",
        "cpus": 2,
        "git": {"revision": "0123456789abcdef"},
        "result": result,
    }


def noise(*what: Any) -> float:
    """A normal number that is a function of `what`."""
    return float(np.random.default_rng([ord(letter) for letter in repr(what)]).normal())


def spread(model: dict[str, Any], *what: Any) -> float:
    """A factor near 1, in part the seed's own and shared by all methods."""
    method = json.dumps(model["method"])
    return math.exp(0.05 * noise(model["seed"]) + 0.03 * noise(model["seed"], method, model["diffusion"], *what))


def k_of(model: dict[str, Any], t_prime: int, t: int) -> float:
    """120 / t; 0 for etsdm inside a sub-interval."""
    method = model["method"]
    if method["name"] == "etsdm" and t < method["t_tilde"]:
        length = method["t_tilde"] / method["n"]
        return 0.0 if t_prime // length == t // length else 40 / t
    return 120 / t * spread(model)


def distance_of(model: dict[str, Any], solver: dict[str, Any]) -> float:
    gain = GAIN.get(model["method"]["name"], 1.1)
    return gain * (10 + 60 / solver["nfe"]) * spread(model, solver)


def _lipschitz(model: dict[str, Any], spec: dict[str, Any], k_of: Callable[..., float]) -> dict[str, Any]:
    dimension = model["dataset"]["resolution"] ** 2 * model["dataset"]["channels"]
    points = [
        {"t_prime": t_prime, "t": t, "K": k, "K_std": 0.1, "K_per_sqrt_dimension": k / math.sqrt(dimension)}
        for t_prime, t in pairs(PROBES.read(spec))
        for k in [k_of(model, t_prime, t)]
    ]
    return {"n": spec["images"], "dimension": dimension, "points": points}


def _stability(model: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    gain = GAIN.get(model["method"]["name"], 1.1)
    points = [
        {
            "std": std,
            "predicted": 2 * gain * std**2 * factor,
            "predicted_std": 0.1,
            "solved": 3 * gain * std**2 * factor,
        }
        for std in spec["stds"]
        for factor in [spread(model, std)]
    ]
    return {"n": spec["images"], "t": spec["t"], "points": points}


def _solver_error(model: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    points = [
        {
            "solver": solver["name"],
            "parameters": {"grid": solver["grid"]},
            "nfe": nfe,
            "error": GAIN.get(model["method"]["name"], 1.1) * 2 / nfe * spread(model, nfe),
            "error_std": 0.01,
        }
        for solver in spec["solvers"]
        for nfe in solver["nfe"]
    ]
    return {"n": spec["images"], "reference_nfe": 600, "reference_error": 1e-4, "points": points}


def _mismatch(model: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    gain = GAIN.get(model["method"]["name"], 1.1)
    points = [
        {"t": t, "offset": offset, "error": t / 1000 + excess, "error_std": 0.1, "excess": excess, "excess_std": 0.1}
        for t in spec["t"]
        for offset in (0, *spec["offsets"])
        for excess in [gain * 1e-6 * offset**2 * spread(model, t)]
    ]
    return {"n": spec["images"], "points": points, "left_out": []}


def _x_lipschitz(model: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    points = [{"t": t, "K": 60 / t**0.5 * spread(model, t), "K_std": 0.1, "residual": 0.01} for t in spec["t"]]
    return {"n": spec["images"], "points": points}


BY_HAND = {
    "stability": _stability,
    "solver-error": _solver_error,
    "mismatch": _mismatch,
    "x-lipschitz": _x_lipschitz,
}


def theory() -> dict[str, Any]:
    """Linear diverges as t^(-1/2), its modified form does not; errors of order 1 under a bound of order 1/2."""
    kinds = [("linear", False), ("linear", True)]
    slopes = [
        {
            "schedule": name,
            "flattened": flat,
            "alpha_slope": 0.0 if flat else -5e-5,
            "exponent": 0.0 if flat else -0.5,
            "diverges": not flat,
            "points": [{"t": t, "mean": 0.1 if flat else 0.1 * t**-0.5, "std": 0.0} for t in (0.01, 0.1, 1.0, 10.0)],
        }
        for name, flat in kinds
    ]
    sharing = [
        {
            "schedule": name,
            "flattened": flat,
            "time": time,
            "K": 1.0,
            "B": 1.0,
            "order": 1.0,
            "points": [
                {
                    "n": n,
                    "dt": 100 / n,
                    "sigma_jump": 0.1,
                    "error_max": 0.5 / n,
                    "error_mean": 0.1 / n,
                    "bound_max": n**-0.5,
                    "bound_mean": n**-0.5,
                    "ratio_max": 0.5,
                }
                for n in (1, 2, 5, 10)
            ],
        }
        for name, flat in kinds
        for time in ("discrete", "continuous")
    ]
    return {"n": 256, "dimension": 4, "t_tilde": 100, "derivative": slopes, "sharing": sharing}


def images(seed: int, count: int, dataset: dict[str, Any]) -> Any:
    side = dataset["resolution"]
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, dataset["channels"]), dtype=np.uint8)


def _scores(inventory: dict[str, Any], encoder: str, value: float) -> dict[str, Any]:
    evaluation = inventory["config"]["evaluation"]
    name, n = inventory["encoders"][encoder]["name"], evaluation["samples"]
    values = {
        metric_name(distance, name, n): value * (1 if distance == "frechet" else 1e-3)
        for distance in evaluation["distances"]
    }
    replicates = {key: [number * factor for factor in REPLICATES] for key, number in values.items() if key[0] == "f"}
    reference = {"count": 1797, "digest": "d" * 64}
    return {"n": n, "reference": reference, "values": values, "bootstrap": replicates}


def write_measurement(
    results: Path,
    inventory: dict[str, Any],
    measurement: dict[str, Any],
    distance: Callable[..., float] = distance_of,
    k: Callable[..., float] = k_of,
) -> None:
    """The result file of one measurement, with the archives and the manifest of its run."""
    file, folder, kind = results / measurement["file"], results / measurement["run"], measurement["kind"]
    if kind == "theory":
        write_json(file, theory())
        write_json(folder / "manifest.json", manifest(5.0, {}))
        return
    model = networks(inventory)[measurement["model"]]
    if kind == "lipschitz":
        write_json(file, _lipschitz(model, inventory["probes"][measurement["run"]], k))
        write_json(folder / "manifest.json", manifest(3.0, {}))
    elif kind in BY_HAND:
        write_json(file, BY_HAND[kind](model, inventory["probes"][measurement["run"]]))
        write_json(folder / "manifest.json", manifest(3.0, {}))
    elif kind == "distance":
        solver = inventory["samples"][measurement["run"]]["solver"]
        write_json(file, _scores(inventory, measurement["encoder"], distance(model, solver)))
        write_images(folder / "samples.zip", images(model["seed"], 20, model["dataset"]))
        write_json(folder / "manifest.json", manifest(solver["nfe"] / 10, {"saturated": 0.5}))
    else:
        factor = spread(model)
        values = {"psnr": 24 / GAIN[model["method"]["name"]] * factor, "ssim": 0.8 * factor, "colour-bias": 2 * factor}
        write_json(file, {"n": 20, "values": values, "spread": dict.fromkeys(values, 1.0)})
        for i, name in enumerate(("restored", "inputs")):
            write_images(folder / f"{name}.zip", images(i, 20, model["dataset"]))
        write_json(folder / "manifest.json", manifest(2.0, {}))


def write_runs(results: Path, inventory: dict[str, Any]) -> None:
    """Data sets, encoders and trainings."""
    for folder, spec in inventory["data"].items():
        write_images(results / folder / "images.zip", images(0, 20, spec))
        write_json(results / folder / "dataset.json", {"count": 1797})
        write_json(results / folder / "manifest.json", manifest(1, {"count": 1797, "saturated": 0.4}))
    learned = {"accuracy": 0.975, "majority": 0.11, "held_out": 360}
    for folder in inventory["encoders"]:
        write_json(results / folder / "manifest.json", manifest(2, learned))
    for folder, model in inventory["models"].items():
        write_json(results / folder / "manifest.json", manifest(12, {"seconds": 60}))  # 12: the last attempt
        lines = [
            {"images": n, "loss": 100 / n * spread(model), **{f"loss_q{q}": (4 - q) * 40 / n for q in range(4)}}
            for n in range(1000, 4001, 1000)
        ]
        (results / folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for folder in inventory["snapshots"]:
        write_json(results / folder / "manifest.json", manifest(1, {"seconds": 60}))


def write_results(results: Path, config: dict[str, Any], measure: Measure | None = write_measurement) -> Path:
    """All result files of a benchmark; the report's folder, with its rows. Without `measure` nothing was run."""
    plan = make_plan(config, "test")
    inventory = plan.inventory()
    write_json(results / plan.report / "inventory.json", inventory)
    if measure:
        write_runs(results, inventory)
        for measurement in inventory["measurements"]:
            measure(results, inventory, measurement)
    write_rows(inventory, results, results / plan.report)
    return results / plan.report
