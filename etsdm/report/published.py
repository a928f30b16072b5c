"""What the paper published, beside what is measured here.

Source: Yang et al. 2024, "Lipschitz Singularities in Diffusion Models" (arXiv 2306.11251), read off the first
author's write-up of 2024-07-22. FID of 10,000 samples, one run each, at 256 px.
"""

import json
from pathlib import Path

import pandas as pd

from etsdm.errors import UserError
from etsdm.report.cells import Cell, is_frechet

COLUMNS = ["experiment", "dataset", "time", "schedule", "method", "solver", "nfe", "value"]

K_DDPM = {
    (0, 10): 23.5,
    (10, 20): 7.96,
    (20, 30): 4.12,
    (30, 40): 2.39,
    (40, 50): 1.62,
    (50, 60): 1.20,
    (60, 70): 1.02,
    (70, 80): 0.91,
    (80, 90): 0.80,
    (90, 100): 0.68,
    (100, 200): 0.35,
    (200, 300): 0.17,
    (300, 400): 0.10,
}
"""K(t', t) of DDPM by (t', t), read off the paper's figure; its data set and network are not ours."""

K_ETSDM = {
    (0, 10): 0.0,
    (10, 20): 0.48,
    (20, 30): 0.0,
    (30, 40): 0.30,
    (40, 50): 0.0,
    (50, 60): 0.20,
    (60, 70): 0.0,
    (70, 80): 0.20,
    (80, 90): 0.0,
    (100, 200): 0.35,
    (200, 300): 0.17,
    (300, 400): 0.10,
}
"""The same of E-TSDM with t~ = 100, n = 5."""

PARAMETERS: dict[str, dict[str, float]] = {"ddpm": {}, "etsdm": {"t_tilde": 100, "n": 5}}
"""Settings of the methods in every published number (n read off the same figure)."""


def read_published(path: Path | None) -> pd.DataFrame:
    """The published values, a row each; no rows if `path` is None.

    Raises:
        UserError: the file is missing, or lacks a column.
    """
    if path is None:
        return pd.DataFrame(columns=COLUMNS)
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: the published results can't be read ({error})") from None
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
    return frame


def published_value(published: pd.DataFrame, cell: Cell) -> float | None:
    """The published FID for a cell of a Frechet distance, or None.

    A row matches if it agrees in experiment, time, schedule, method and its parameters. Of the `datasets`
    experiment the data set and its ancestral sampling in 1,000 steps must agree too. Of `fast-sampling`, for
    which the paper names no data set, solver and NFE must agree: those values stand beside any data set, to
    compare changes, not levels.
    """
    if not is_frechet(cell["metric"]) or not _as_published(cell):
        return None
    found = published
    for key in ("experiment", "time", "schedule", "method"):
        found = found[found[key] == cell[key]]
    if cell["experiment"] == "datasets":
        if cell["solver"] != "ddpm" or cell["nfe"] != 1000:
            return None
        found = found[found["dataset"] == cell["dataset"]]
    else:
        found = found[(found["solver"] == cell["solver"]) & (found["nfe"] == cell["nfe"])]
    return float(found["value"].iloc[0]) if len(found) else None


def published_k(cell: Cell) -> float | None:
    """The published K(t', t) for a cell, or None."""
    if cell["metric"] != "K" or pd.isna(cell["t"]) or not _as_published(cell):
        return None
    curve = {"ddpm": K_DDPM, "etsdm": K_ETSDM}[cell["method"]]
    return curve.get((int(cell["t_prime"]), int(cell["t"])))


def _as_published(cell: Cell) -> bool:
    return PARAMETERS.get(cell["method"]) == json.loads(cell["method_parameters"])


def not_here(published: pd.DataFrame, experiments: list[str]) -> list[str]:
    """Published experiments that are not among `experiments`."""
    return [str(name) for name in published["experiment"].unique() if name not in experiments]
