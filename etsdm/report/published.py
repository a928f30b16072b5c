"""What the paper published, to stand beside what is measured here.

Source: Yang et al. 2024, "Lipschitz Singularities in Diffusion Models" (arXiv 2306.11251), read off the first
author's write-up of 2024-07-22. FID of 10,000 samples, one run each, at 256 px. K(t', t) is read off its figure, of
another data set and network than ours; for E-TSDM, t_tilde = 100 and n = 5.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from etsdm.errors import UserError
from etsdm.report.cells import Cell
from etsdm.report.metrics import is_frechet

COLUMNS = [
    "experiment",
    "dataset",
    "time",
    "schedule",
    "method",
    "solver",
    "nfe",
    "t_prime",
    "t",
    "perturbation_std",
    "metric",
    "value",
]

PARAMETERS: dict[str, dict[str, Any]] = {"ddpm": {}, "etsdm": {"t_tilde": 100, "n": 5, "partition": "uniform"}}
"""Settings of these methods in every published number (n read off the figure of K); those of others are not known."""

FFHQ = "ffhq"
"""The data set of the paper's schedules and alternatives."""

STABILITY_T = 100
"""Where the paper perturbs x_t: at t~."""


Published: TypeAlias = list[dict[str, Any]]
"""Rows of the file of published values."""


def read_published(path: Path | None) -> Published:
    """The published values, a row each; no rows if `path` is None.

    Raises:
        UserError: the file is missing, or lacks a column.
    """
    if path is None:
        return []
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: the published results can't be read ({error})") from None
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
    return [{str(column): value for column, value in row.items()} for row in frame.to_dict("records")]


def published_value(published: Published, cell: Cell) -> float | None:
    """The published value for a cell, or None.

    Time, schedule, method and its parameters must agree, and the network must predict eps. What else must agree
    depends on the experiment. A value that stands beside another data set than its own (all but those of `datasets`)
    is there to compare changes, not levels.
    """
    find = FIND.get(cell["experiment"])
    if find is None or cell["prediction"] != "eps" or not as_published(cell):
        return None
    keys = ("time", "schedule", "method")
    found = find([row for row in published if all(row[key] == cell[key] for key in keys)], cell)
    return float(found[0]["value"]) if found else None


def _of(published: Published, *experiments: str) -> Published:
    return [row for row in published if row["experiment"] in experiments]


def _dataset(published: Published, cell: Cell) -> Published:
    """The same data set, by ancestral sampling in 1,000 steps."""
    as_there = is_frechet(cell["metric"]) and cell["solver"] == "ddpm" and cell["nfe"] == 1000
    return [row for row in _of(published, "datasets") if as_there and row["dataset"] == cell["dataset"]]


def _fast(published: Published, cell: Cell) -> Published:
    """The same solver and NFE, without the lower-order last step; the paper names no data set."""
    if not is_frechet(cell["metric"]) or json.loads(cell["solver_parameters"]).get("lower_order_final"):
        return []
    keys = ("solver", "nfe")
    return [row for row in _of(published, "fast-sampling") if all(row[key] == cell[key] for key in keys)]


def _schedule(published: Published, cell: Cell) -> Published:
    """FFHQ under the same schedule and time; for linear and discrete that is a row of `datasets`."""
    rows = _of(published, "schedules", "datasets")
    return [row for row in rows if is_frechet(cell["metric"]) and row["dataset"] == FFHQ]


def _alternative(published: Published, cell: Cell) -> Published:
    """The same data set where the paper has it, FFHQ otherwise; ddpm and etsdm are rows of other experiments."""
    rows = _of(published, "alternatives", "datasets", "schedules")
    dataset = cell["dataset"] if any(row["dataset"] == cell["dataset"] for row in rows) else FFHQ
    return [row for row in rows if is_frechet(cell["metric"]) and row["dataset"] == dataset]


def _stability(published: Published, cell: Cell) -> Published:
    """The predicted x_0 under the same perturbation at t~."""
    if cell["metric"] != "change-predicted" or cell["t"] != STABILITY_T:
        return []
    return [row for row in _of(published, "stability") if row["perturbation_std"] == cell["perturbation_std"]]


def _restoration(published: Published, cell: Cell) -> Published:
    return [row for row in _of(published, "super-resolution") if row["metric"] == cell["metric"]]


def _k(published: Published, cell: Cell) -> Published:
    """K of the same pair of times."""
    keys = ("t_prime", "t", "metric")
    return [row for row in _of(published, "lipschitz") if all(row[key] == cell[key] for key in keys)]


FIND: dict[str, Callable[[Published, Cell], Published]] = {
    "lipschitz": _k,
    "datasets": _dataset,
    "fast-sampling": _fast,
    "schedules": _schedule,
    "alternatives": _alternative,
    "stability": _stability,
    "super-resolution": _restoration,
}
"""For each experiment with published values, those that match a cell beyond its method and schedule."""


def as_published(cell: Cell) -> bool:
    """Whether a cell's method has the settings of the published numbers, as far as they are known."""
    return PARAMETERS.get(cell["method"]) in (None, json.loads(cell["method_parameters"]))


def curves_of(published: Published, experiment: str) -> pd.DataFrame:
    """The paper's values of one experiment, with the methods named as in `rows.csv`."""
    rows = pd.DataFrame(_of(published, experiment), columns=COLUMNS)
    return rows.assign(method_label=rows["method"])


def not_here(published: Published, experiments: list[str]) -> list[str]:
    """Published experiments that are not among `experiments`."""
    return [name for name in dict.fromkeys(row["experiment"] for row in published) if name not in experiments]
