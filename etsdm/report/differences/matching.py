"""Cells that both benchmarks have, each with its change from one to the other, and cells that one alone has."""

import math
import statistics
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from etsdm.report.cells import CELL, METHOD, POINT, SETTING, SOLVER, Cell, Key, cells, key, rows_of
from etsdm.report.changes import LEVEL, Change, change
from etsdm.report.metrics import unit
from etsdm.report.noise_floor import MEASURED, Floor, floor_of, with_floor

OF_CELL = [column for column in CELL if not column.endswith("_label")]
"""What tells cells apart. Labels depend on what else an experiment has."""
MEASUREMENT = [*SETTING[1:], *METHOD[:2], *SOLVER[:2], "nfe", "metric", *POINT]
"""What tells measurements apart; two experiments may share one."""


@dataclass(frozen=True)
class Matched:
    """A cell that has values in both benchmarks.

    Attributes:
        cell: as the first benchmark has it.
        first, other: {seed: value} of each, partners under the seed of the first and in the same order.
        paired: whether partners have the same seed.
        change: from the first to the other, with its noise floor; its error is NaN where there is none.
        p: of no change, after Holm's correction over all tests; NaN where there is no floor.
        tests: how many tests those are.
    """

    cell: Cell
    first: dict[int, float]
    other: dict[int, float]
    paired: bool
    change: Change
    p: float = math.nan
    tests: int = 0

    @property
    def same(self) -> bool:
        """Whether all values are equal to the last digit."""
        return self.first == self.other

    @property
    def equal_values(self) -> int:
        """How many values are."""
        return sum(self.first[seed] == self.other[seed] for seed in self.first)

    @property
    def differs(self) -> bool:
        """Whether the change is beyond noise."""
        return self.p <= LEVEL

    @property
    def untested(self) -> bool:
        """Whether values differ and no noise floor can be computed."""
        return not self.same and math.isnan(self.p)

    @property
    def means(self) -> tuple[float, float]:
        """Of the values that are compared."""
        return statistics.fmean(self.first.values()), statistics.fmean(self.other.values())


@dataclass(frozen=True)
class Alone:
    """A cell that has values in one benchmark only.

    Attributes:
        cell: the cell.
        reason: why the other has none; empty where it does not ask for it.
    """

    cell: Cell
    reason: str


def match(first: pd.DataFrame, other: pd.DataFrame) -> tuple[list[Matched], list[Alone], list[Alone]]:
    """The cells of both, not tested yet, those of the first alone, and those of the other alone.

    Args:
        first, other: rows, after `settings.alike`.
    """
    mine, theirs = _by_key(first), _by_key(other)
    both = [(cell, theirs[at]) for at, cell in mine.items() if cell["n"] and at in theirs and theirs[at]["n"]]
    return _with_floors([_matched(*pair) for pair in _once(both)]), _alone(mine, theirs), _alone(theirs, mine)


def _by_key(rows: pd.DataFrame) -> dict[Key, Cell]:
    return {key(cell, OF_CELL): cell for cell in rows_of(cells(rows))}


def _alone(mine: dict[Key, Cell], theirs: dict[Key, Cell]) -> list[Alone]:
    missing = {at: theirs.get(at) for at in mine if at not in theirs or not theirs[at]["n"]}
    return [
        Alone(mine[at], "" if other is None else str(other["reason"])) for at, other in missing.items() if mine[at]["n"]
    ]


def _once(pairs: list[tuple[Cell, Cell]]) -> list[tuple[Cell, Cell]]:
    """The pairs, a measurement that two experiments share once."""
    once: dict[Key, tuple[Cell, Cell]] = {}
    for first, other in pairs:
        values = tuple(first["by_seed"].items()), tuple(other["by_seed"].items())
        once.setdefault((key(first, MEASUREMENT), values), (first, other))
    return list(once.values())


def _matched(first: Cell, other: Cell) -> Matched:
    mine, theirs, paired = partners(first["by_seed"], other["by_seed"])
    return Matched(first, mine, theirs, paired, change(mine, theirs, first["metric"]))


def partners(first: dict[int, float], other: dict[int, float]) -> tuple[dict[int, float], dict[int, float], bool]:
    """The values of seeds that both have, and True.

    Where they share fewer than two seeds and have more, seeds are paired in their order, as those of `replica` are, and
    it is False. Partners then share nothing, so the spread of their differences is that of independent trainings.
    """
    shared = sorted(first.keys() & other.keys())
    if len(shared) > 1 or (shared and min(len(first), len(other)) == 1):
        return {seed: first[seed] for seed in shared}, {seed: other[seed] for seed in shared}, True
    pairs = list(zip(sorted(first), sorted(other), strict=False))
    return {mine: first[mine] for mine, _ in pairs}, {mine: other[theirs] for mine, theirs in pairs}, False


def _with_floors(matched: list[Matched]) -> list[Matched]:
    floors = _floors(matched)
    return [replace(one, change=with_floor(one.change, floors.get(key(one.cell, MEASURED)))) for one in matched]


def _floors(matched: list[Matched]) -> dict[Key, Floor]:
    """The noise floor per metric, solver and point: the two benchmarks stand where the report has two methods.

    It is pooled over methods and networks. Cells whose values are the same say nothing of noise.
    """
    groups: dict[Key, list[Matched]] = {}
    for one in matched:
        if not one.same and math.isfinite(one.change.effect):
            groups.setdefault(key(one.cell, MEASURED), []).append(one)
    floors = {which: _floor(group) for which, group in groups.items()}
    return {which: floor for which, floor in floors.items() if floor}


def _floor(group: list[Matched]) -> Floor | None:
    logs = all(one.change.unit == "%" for one in group)
    if not logs and unit(group[0].cell["metric"]) is None:
        return None
    tables = [np.array([list(one.first.values()), list(one.other.values())]) for one in group]
    return floor_of([np.log(table) if logs else table for table in tables], logs)
