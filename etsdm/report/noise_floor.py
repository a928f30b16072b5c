"""The noise floor: how far the difference of two methods moves by chance, per metric and solver."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import bartlett

from etsdm.report.cells import BASELINE, METHOD, POINT, REPLICA, SETTING, SOLVER, Cell, Key, cells, key, rows_of
from etsdm.report.changes import Change, in_logs
from etsdm.report.metrics import unit

MEASURED = [*SOLVER[:2], "nfe", "metric", *POINT]
"""What has a floor of its own: a metric, under a solver with its settings and budget."""
BLOCK = SETTING[1:]
"""What is common to networks that differ in method and seed alone; the experiment that asks does not matter."""


@dataclass(frozen=True)
class Floor:
    """The residual of value = method + seed + residual, pooled over blocks.

    Attributes:
        sd: its standard deviation, of logarithms or of a metric's own values.
        freedom: its degrees of freedom, the sum of (methods - 1)(seeds - 1).
        blocks: how many blocks it is pooled over.
        logs: whether it is one of logarithms.
        equal: whether residuals are as large everywhere, as far as Bartlett's test tells.
    """

    sd: float
    freedom: int
    blocks: int
    logs: bool
    equal: bool


UNEQUAL = 0.25
"""Level of Bartlett's test: that of a preliminary test on which pooling depends (Bancroft 1964, Biometrics 20)."""


def floor_of(blocks: Iterable[np.ndarray], logs: bool) -> Floor | None:
    """The floor of blocks, float64 (methods, seeds) each, the baseline first; None without two methods and seeds.

    Two-way analysis of variance without replication, pooled. Bartlett's test (1937) compares the variances of the
    paired differences from the baseline.
    """
    tables = [table for table in blocks if table.shape[0] > 1 and table.shape[1] > 1]
    if not tables:
        return None
    squares = sum(float((_residual(table) ** 2).sum()) for table in tables)
    freedom = sum((table.shape[0] - 1) * (table.shape[1] - 1) for table in tables)
    differences = [row for table in tables for row in table[1:] - table[:1]]
    return Floor(math.sqrt(squares / freedom), freedom, len(tables), logs, _equal(differences))


def _residual(table: np.ndarray) -> np.ndarray:
    return table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()


def _equal(groups: list[np.ndarray]) -> bool:
    if len(groups) == 1:
        return True
    if min(np.ptp(group) for group in groups) == 0:
        return False
    return bool(bartlett(*groups).pvalue >= UNEQUAL)


def noise_floors(rows: pd.DataFrame) -> dict[Key, Floor]:
    """The floor of everything that is measured of more than one method and seed, by `MEASURED`.

    A method that lacks a seed of its block is left out of it. So is a replica, which shares no seed with the others.
    What is measured for two experiments counts once.
    """
    blocks_of: dict[Key, dict[Key, dict[Key, Cell]]] = {}
    for cell in rows_of(cells(rows[rows["method"] != REPLICA])):
        block = blocks_of.setdefault(key(cell, MEASURED), {}).setdefault(key(cell, BLOCK), {})
        block.setdefault(key(cell, METHOD[:2]), cell)
    floors = {which: _floor(list(blocks.values())) for which, blocks in blocks_of.items()}
    return {which: floor for which, floor in floors.items() if floor}


def _floor(blocks: list[dict[Key, Cell]]) -> Floor | None:
    values = [{method: cell["by_seed"] for method, cell in block.items()} for block in blocks]
    metric = next(iter(blocks[0].values()))["metric"]
    logs = in_logs(metric, *(by_seed for block in values for by_seed in block.values()))
    if not logs and unit(metric) is None:
        return None
    tables = [_table(block) for block in values if any(method[0] == BASELINE for method in block)]
    return floor_of([np.log(table) if logs else table for table in tables], logs)


def _table(block: dict[Key, dict[int, float]]) -> np.ndarray:
    """(methods, seeds), ddpm first. A method whose values are another's says nothing of noise and is left out."""
    seeds = sorted(set().union(*block.values()))
    ordered = sorted(block, key=lambda method: method[0] != BASELINE)
    complete = [block[method] for method in ordered if block[method].keys() >= set(seeds)]
    rows = dict.fromkeys(tuple(by_seed[seed] for seed in seeds) for by_seed in complete)
    return np.array(list(rows)).reshape(len(rows), len(seeds))


def with_floor(change: Change, floor: Floor | None) -> Change:
    """The change with the floor's error where there is one: sd sqrt(2 / n), that of a difference of two residuals.

    Where residuals are not equal, it keeps its own error if that makes it less certain: it has to pass both tests.
    """
    n = len(change.effects)
    if floor is None or n < 2 or floor.logs != (change.unit == "%") or not math.isfinite(change.effect):
        return change
    pooled = replace(change, error=floor.sd * math.sqrt(2 / n), freedom=floor.freedom)
    return pooled if floor.equal or pooled.p >= change.p else change
