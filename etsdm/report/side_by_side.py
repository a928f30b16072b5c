"""Several measures of each method side by side, each as its change against ddpm."""

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from etsdm.diffusion.make import make_process
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.settings import Diffusion
from etsdm.report.cells import BASELINE, NETWORK, REPLICA, Cell, key, rows_of
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
MOST_PERMUTED = 7
"""Columns of which all orders are tried."""
Values = NDArray[np.float64]
"""A row a seed, a column a method."""


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
    table = results.cells(experiment)
    table = table[(table["n"] > 0) & (table["method"] != REPLICA)]
    sides = [
        side for _, group in table.groupby(NETWORK, dropna=False, sort=False) for side in _of_network(results, group)
    ]
    return sorted(sides, key=lambda side: -(side.conditions or 0))


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
    changes = {DISTANCE: _of_distances(base, mine)}
    for name, (metric, reduce) in CONSTANTS.items():
        first, other = (_reduced(one[one["metric"] == metric], reduce) for one in (base, mine))
        changes[name] = change(first, other, metric) if first and other else None
    return {name: one for name, one in changes.items() if one and one.effects}


def _of_distances(base: pd.DataFrame, mine: pd.DataFrame) -> Change | None:
    """The mean change over solvers and budgets."""
    alike = ["solver", "solver_parameters", "nfe", "metric"]
    known = {key(cell, alike): cell for cell in rows_of(base)}
    pairs = [(known.get(key(cell, alike)), cell) for cell in rows_of(mine) if _is_distance(cell)]
    changes = [change(first["by_seed"], cell["by_seed"], cell["metric"]) for first, cell in pairs if first is not None]
    return mean_change(changes) if changes else None


def _is_distance(cell: Cell) -> bool:
    return is_frechet(cell["metric"])


def _reduced(table: pd.DataFrame, reduce: Reduce) -> dict[int, float]:
    """One value for each seed that has all points."""
    if table.empty:
        return {}
    seeds = set.intersection(*(set(by_seed) for by_seed in table["by_seed"]))
    return {seed: reduce([by_seed[seed] for by_seed in table["by_seed"]]) for seed in sorted(seeds)}


def rank_correlations(x: Values, y: Values) -> Values:
    """Spearman's for each row: Pearson's of the ranks, ties at their mean rank; NaN where either row is constant."""
    a, b = (_centred_ranks(values) for values in (x, y))
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1)))


def _centred_ranks(values: Values) -> Values:
    ranks = rankdata(values, axis=1)
    return np.asarray(ranks - ranks.mean(1, keepdims=True))


def permuted(x: Values, y: Values) -> float:
    """Two-sided p value of the mean rank correlation over rows, by permutations of the columns of `y`.

    The same permutation holds in all rows. All of them are tried up to `MOST_PERMUTED` columns; beyond, as many
    random ones as `MOST_PERMUTED` columns have, drawn by a fixed seed, and the identity.
    """
    columns = x.shape[1]
    generator = np.random.default_rng(0)
    draws = math.factorial(MOST_PERMUTED)
    if columns <= MOST_PERMUTED:
        orders = [*permutations(range(columns))]
    else:
        orders = [tuple(range(columns)), *(tuple(generator.permutation(columns)) for _ in range(draws))]
    means = np.array([rank_correlations(x, y[:, list(order)]).mean() for order in orders])
    return float((np.abs(means) >= abs(means[0]) - 1e-12).mean())
