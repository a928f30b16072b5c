"""What the paper published, to stand beside what is measured here.

Source: Yang et al. 2024, "Lipschitz Singularities in Diffusion Models" (arXiv 2306.11251), read off the first
author's write-up of 2024-07-22. FID of 10,000 samples, one run each, at 256 px. K(t', t) is read off its figure, of
another data set and network than ours; for E-TSDM, t_tilde = 100 and n = 5.
"""

import json
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from etsdm.diffusion.loss_weights import NONE
from etsdm.diffusion.training_times import UNIFORM
from etsdm.errors import UserError
from etsdm.report.cells import Cell
from etsdm.report.names import method_name
from etsdm.report.options import has_options
from etsdm.report.sections import section

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

    Time, schedule, method and its parameters must agree, the network must predict eps with the usual loss, and the
    solver must have none of the `OPTIONS`. What else must agree depends on the experiment. A value that stands beside
    another data set than its own (all but those of `comparison`) is there to compare changes, not levels.
    """
    find = section(cell["experiment"]).published
    usual = (cell["prediction"], cell["training_times"], cell["loss_weight"]) == ("eps", UNIFORM, NONE)
    if find is None or not usual or not as_published(cell):
        return None
    if not pd.isna(cell["solver_parameters"]) and has_options(json.loads(cell["solver_parameters"])):
        return None
    keys = ("time", "schedule", "method")
    rows = find([row for row in published if all(row[key] == cell[key] for key in keys)], cell)
    return float(rows[0]["value"]) if rows else None


def as_published(cell: Cell) -> bool:
    """Whether a cell's method has the settings of the published numbers, as far as they are known."""
    return PARAMETERS.get(cell["method"]) in (None, json.loads(cell["method_parameters"]))


def curves_of(published: Published, experiment: str) -> pd.DataFrame:
    """The paper's values of one experiment, with the methods labelled as the measured ones are."""
    rows = pd.DataFrame([row for row in published if row["experiment"] == experiment], columns=COLUMNS)
    return rows.assign(method_label=rows["method"].map(method_name))


def not_here(published: Published, experiments: list[str]) -> list[str]:
    """Published experiments that are not among `experiments`."""
    return [name for name in dict.fromkeys(row["experiment"] for row in published) if name not in experiments]
