"""Several measures of each method side by side, each as its change against ddpm."""

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from etsdm.diffusion.make import make_process
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.settings import Diffusion
from etsdm.report.cells import BASELINE, NETWORK, REPLICA, Cell, cells
from etsdm.report.changes import Change, change, mean_change
from etsdm.report.metrics import is_frechet
from etsdm.report.results import Results

Reduce = Callable[[list[float]], float]
CONSTANTS: dict[str, tuple[str, Reduce]] = {
    "largest K": ("K", max),
    "cost of a wrong condition": ("excess-predicted", statistics.fmean),
}
"""Measures of a probe by their names: the metric, and how its points become one value a seed."""
DISTANCE = "distance"


@dataclass(frozen=True)
class Side:
    """One method on one kind of network.

    Attributes:
        label: of the method.
        method: its name.
        network: what stands in the columns `NETWORK`.
        conditions: how many different times the network is told, of the T that there are. None where the method's file
            is not loaded.
        changes: by the name of each measure, `DISTANCE` or a key of `CONSTANTS`.
    """

    label: str
    method: str
    network: dict[str, object]
    conditions: int | None
    changes: dict[str, Change]


def sides(results: Results, experiment: str) -> list[Side]:
    """Every method but ddpm and its replicas, those that are told most first."""
    table = cells(results.experiment(experiment))
    table = table[(table["n"] > 0) & (table["method"] != REPLICA)]
    found = [
        side for _, group in table.groupby(NETWORK, dropna=False, sort=False) for side in _of_network(results, group)
    ]
    return sorted(found, key=lambda side: -(side.conditions or 0))


def _of_network(results: Results, group: pd.DataFrame) -> list[Side]:
    base = group[group["method"] == BASELINE]
    return [
        Side(str(label), mine["method"].iloc[0], dict(mine[NETWORK].iloc[0]), _conditions(results, mine), changes)
        for label, mine in group[group["method"] != BASELINE].groupby("method_label", sort=False)
        if (changes := _changes(base, mine))
    ]


def _conditions(results: Results, mine: pd.DataFrame) -> int | None:
    cell = mine.iloc[0]
    if cell["method"] not in METHODS.names():
        return None
    method = METHODS.read({"name": cell["method"]} | json.loads(cell["method_parameters"]))
    shared = {key: cell[key] for key in ("schedule", "time", "prediction")}
    diffusion = Diffusion.model_validate({"timesteps": results.config["diffusion"]["timesteps"]} | shared)
    process = make_process(diffusion, method, int(cell["resolution"]))
    return len(np.unique(process.condition(np.arange(diffusion.timesteps, dtype=np.float64))))


def _changes(base: pd.DataFrame, mine: pd.DataFrame) -> dict[str, Change]:
    found = {DISTANCE: _of_distances(base, mine)}
    for name, (metric, reduce) in CONSTANTS.items():
        first, other = (_reduced(one[one["metric"] == metric], reduce) for one in (base, mine))
        found[name] = change(first, other, metric) if first and other else None
    return {name: one for name, one in found.items() if one and one.effects}


def _of_distances(base: pd.DataFrame, mine: pd.DataFrame) -> Change | None:
    """The mean change over solvers and budgets."""
    alike = ["solver", "solver_parameters", "nfe", "metric"]
    known = {tuple(cell[alike]): cell for _, cell in base.iterrows()}
    pairs = [(known.get(tuple(cell[alike])), cell) for _, cell in mine.iterrows() if _is_distance(cell)]
    found = [change(first["by_seed"], cell["by_seed"], cell["metric"]) for first, cell in pairs if first is not None]
    return mean_change(found) if found else None


def _is_distance(cell: Cell) -> bool:
    return is_frechet(cell["metric"])


def _reduced(table: pd.DataFrame, reduce: Reduce) -> dict[int, float]:
    """One value for each seed that has all points."""
    if table.empty:
        return {}
    seeds = set.intersection(*(set(by_seed) for by_seed in table["by_seed"]))
    return {seed: reduce([by_seed[seed] for by_seed in table["by_seed"]]) for seed in sorted(seeds)}


def rank_correlation(x: list[float], y: list[float]) -> float:
    """Spearman's: Pearson's of the ranks, ties at their mean rank; NaN where either is constant."""
    ranks = [pd.Series(values).rank().to_list() for values in (x, y)]
    if any(len(set(rank)) < 2 for rank in ranks):
        return math.nan
    return statistics.correlation(*ranks)
