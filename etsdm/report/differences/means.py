"""Mean changes over cells, one number a seed, and the correction for the number of all tests."""

import math
from dataclasses import dataclass, replace

from etsdm.report.changes import LEVEL, Change, mean_change
from etsdm.report.differences.matching import Matched
from etsdm.report.verdicts import holm


@dataclass(frozen=True)
class Group:
    """The cells of one experiment, metric and method.

    Attributes:
        experiment, metric, method: what they share, the method as its label.
        cells: all of them.
        change: the mean change over those in its unit, with the error of its own spread over seeds. None where all
            values are the same, and where one cell alone differs, which says it by itself.
        p: of no change, after Holm's correction over all tests; NaN where there is no error.
    """

    experiment: str
    metric: str
    method: str
    cells: list[Matched]
    change: Change | None
    p: float = math.nan

    @property
    def lone(self) -> Matched | None:
        """The cell that says it by itself, if there is one."""
        others = [cell for cell in self.cells if not cell.same]
        return others[0] if len(others) == 1 else None

    @property
    def differs(self) -> bool:
        """Whether the mean change is beyond noise."""
        return self.p <= LEVEL


def grouped(matched: list[Matched]) -> list[Group]:
    """The groups, not tested yet, in the order of the cells."""
    groups: dict[tuple[str, str, str], list[Matched]] = {}
    for one in matched:
        groups.setdefault((one.cell["experiment"], one.cell["metric"], one.cell["method_label"]), []).append(one)
    return [Group(*which, cells, _mean(cells)) for which, cells in groups.items()]


def _mean(cells: list[Matched]) -> Change | None:
    units = [one.change.unit for one in cells if not one.same]
    if len(units) < 2:
        return None
    unit = max(units, key=units.count)
    return mean_change([one.change for one in cells if one.change.unit == unit])


def with_tests(matched: list[Matched]) -> tuple[list[Matched], list[Group]]:
    """Cells and groups with their p values, by Holm's correction over all cells and all mean changes."""
    means = [group.change.p if group.change else math.nan for group in grouped(matched)]
    ps = holm([*(one.change.p for one in matched), *means])
    tests = sum(not math.isnan(p) for p in ps)
    cells = [replace(one, p=p, tests=tests) for one, p in zip(matched, ps, strict=False)]
    return cells, [replace(one, p=p) for one, p in zip(grouped(cells), ps[len(cells) :], strict=True)]
