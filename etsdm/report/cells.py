"""Rows grouped into cells: one cell is a measurement repeated over seeds."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, TypeAlias

import pandas as pd

from etsdm.report.text import listed

Row: TypeAlias = dict[Any, Any]
Cell: TypeAlias = Row
"""A row of `cells`."""
Key: TypeAlias = tuple[Any, ...]

PROCESS = ["time", "schedule", "prediction", "training_times", "loss_weight"]
"""The diffusion process of a network, and how its loss counts times."""
NETWORK = ["dataset", "resolution", *PROCESS]
"""What the methods of a comparison share."""
SETTING = ["experiment", *NETWORK, "images_seen", "ema_half_life"]
METHOD = ["method", "method_parameters", "method_label"]
SOLVER = ["solver", "solver_parameters", "solver_label", "nfe"]
POINT = ["t_prime", "t", "perturbation_std", "condition_offset"]
COMPARED = [*SETTING, *SOLVER, "metric", *POINT]
"""What two cells must share for their methods to be compared."""
CELL = [*COMPARED, *METHOD]
MEASURED = ["by_seed", "bootstrap_by_seed", "n", "mean", "sd", "seconds", "reason"]
BASELINE = "ddpm"
OURS = "etsdm"
"""The paper's method."""
REPLICA = "replica"
"""The baseline again, with other seeds."""


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell, in the order of `rows` but with the methods to compare next to one another.

    Returns:
        The columns `CELL` and `MEASURED`. by_seed: {seed: value}, without NA. bootstrap_by_seed: {seed: tuple of
        replicates}, of the seeds that have any. n: number of values. mean, and sd, which is NA below two values.
        seconds: the mean. reason: why values are missing.
    """
    groups: dict[Key, dict[Key, list[Row]]] = {}
    for row in rows_of(rows):
        groups.setdefault(key(row, COMPARED), {}).setdefault(key(row, CELL), []).append(row)
    lines = [
        dict(zip(CELL, which, strict=True)) | _measured(group)
        for compared in groups.values()
        for which, group in compared.items()
    ]
    table = pd.DataFrame(lines, columns=[*CELL, *MEASURED])
    return table.astype(dict.fromkeys(("nfe", *POINT), float))


def _measured(group: list[Row]) -> dict[str, Any]:
    """The columns `MEASURED` of one cell's rows."""
    by_seed = {int(row["seed"]): float(row["value"]) for row in group if not pd.isna(row["value"])}
    values, seconds = list(by_seed.values()), [row["seconds"] for row in group if not pd.isna(row["seconds"])]
    return {
        "by_seed": by_seed,
        "bootstrap_by_seed": {
            int(row["seed"]): tuple(map(float, str(row["bootstrap"]).split()))
            for row in group
            if not pd.isna(row["bootstrap"])
        },
        "n": len(values),
        "mean": statistics.fmean(values) if values else math.nan,
        "sd": statistics.stdev(values) if len(values) > 1 else math.nan,
        "seconds": statistics.fmean(seconds) if seconds else math.nan,
        "reason": _reasons([row for row in group if pd.isna(row["value"])]),
    }


def _reasons(failed: list[Row]) -> str:
    by_reason: dict[str, list[int]] = {}
    for row in failed:
        by_reason.setdefault(str(row["reason"]), []).append(int(row["seed"]))
    return "; ".join(f"seed {listed(seeds)}: {reason}" for reason, seeds in by_reason.items())


def key(row: Any, columns: Sequence[str]) -> Key:
    """What a row holds in `columns`; None for NA."""
    return tuple(None if pd.isna(row[column]) else row[column] for column in columns)


def rows_of(table: pd.DataFrame) -> list[Row]:
    """The rows of a table, each by column; as plain data, which is faster to read than the rows of pandas."""
    return table.to_dict("records")


def indexed(table: pd.DataFrame) -> dict[Key, Cell]:
    """The cells of one method by what others must share with them to be compared."""
    by_values: dict[Key, Cell] = {}
    for cell in rows_of(table):
        by_values.setdefault(key(cell, COMPARED), cell)
    return by_values


def baselines(table: pd.DataFrame) -> dict[Key, Cell]:
    """The ddpm cells, `indexed`."""
    return indexed(table[table["method"] == BASELINE])


def same(frame: pd.DataFrame, row: Cell, columns: Sequence[str]) -> pd.DataFrame:
    """Rows of `frame` that agree with `row` in `columns`; NA agrees with NA."""
    for column in columns:
        value = row[column]
        frame = frame[frame[column].isna() if pd.isna(value) else frame[column] == value]
    return frame
