"""Cells beside the ddpm cells that differ from them in the method alone."""

import math
import statistics
from dataclasses import dataclass, replace

from etsdm.report.cells import BASELINE, COMPARED, REPLICA, Cell, baselines, key, rows_of
from etsdm.report.changes import Change, change
from etsdm.report.metrics import better, judged, unit
from etsdm.report.noise_floor import MEASURED, with_floor
from etsdm.report.published import published_value
from etsdm.report.results import Results
from etsdm.report.verdicts import Verdict, holm, verdict


@dataclass(frozen=True)
class Compared:
    """A cell beside its ddpm cell.

    Attributes:
        cell: the cell.
        change: its change against ddpm; None for ddpm itself and where there is no ddpm.
        paper: the published value, if there is one.
        published: the published effect, as `Change.effect`.
        sampling: standard deviation of one seed's effect over other draws of the same number of images.
        p, p_equivalent: of `verdict`, after Holm's correction over the cells that verdicts are made of.
        tests: how many cells those are.
    """

    cell: Cell
    change: Change | None
    paper: float | None
    published: float | None
    sampling: float = math.nan
    p: float = math.nan
    p_equivalent: float = math.nan
    tests: int = 0

    @property
    def paper_change(self) -> float | None:
        """The published change in the unit of `change`."""
        return None if self.published is None or self.change is None else self.change.shown(self.published)

    @property
    def verdict(self) -> Verdict | None:
        """Whether the change is one for the better, and of the published size; None where none is made."""
        if self.change is None or not judged(self.cell["metric"]):
            return None
        return verdict(self.change, better(self.cell["metric"]), self.published, self.p, self.p_equivalent)


def published_effect(first: float | None, other: float | None, metric: str) -> float | None:
    """The effect between two published values, as `Change.effect`."""
    if first is None or other is None:
        return None
    if unit(metric) is not None:
        return other - first
    return (math.log(other / first) if other else -math.inf) if first else None


def compare(results: Results, experiment: str) -> list[Compared]:
    """Every cell of an experiment with its change against ddpm, the cells to compare next to one another."""
    table = results.cells(experiment)
    ddpm = baselines(table)
    compared = [_compared(results, ddpm.get(key(cell, COMPARED)), cell) for cell in rows_of(table)]
    return corrected(compared, results.margin)


def _compared(results: Results, base: Cell | None, cell: Cell) -> Compared:
    paper = published_value(results.published, cell)
    if base is None or cell["method"] == BASELINE:
        return Compared(cell, None, paper, None)
    metric = cell["metric"]
    floor = None if cell["method"] == REPLICA else results.floors.get(key(cell, MEASURED))
    return Compared(
        cell,
        with_floor(change(base["by_seed"], cell["by_seed"], metric), floor),
        paper,
        published_effect(published_value(results.published, base), paper, metric),
        sampling_sd(base, cell),
    )


def sampling_sd(first: Cell, other: Cell) -> float:
    """Standard deviation of log(other / first) over the bootstrap's draws of images, root mean square over seeds.

    Both distances of a pair are of the same drawn indices. NaN where no draws are stored.
    """
    draws, others = first["bootstrap_by_seed"], other["bootstrap_by_seed"]
    variances = [
        statistics.variance(math.log(b / a) for a, b in zip(draws[seed], others[seed], strict=True))
        for seed in draws.keys() & others.keys()
        if len(draws[seed]) == len(others[seed]) > 1 and min(*draws[seed], *others[seed]) > 0
    ]
    return math.sqrt(statistics.fmean(variances)) if variances else math.nan


def corrected(compared: list[Compared], margin: float) -> list[Compared]:
    """The same with Holm's correction over the cells that verdicts are made of, those of replicas apart."""
    families: dict[bool, list[int]] = {}
    for i, one in enumerate(compared):
        if one.change and judged(one.cell["metric"]) and not math.isnan(one.change.error):
            families.setdefault(one.cell["method"] == REPLICA, []).append(i)
    done = list(compared)
    for family in families.values():
        changes = [change for i in family if (change := compared[i].change)]
        ps, equivalent = holm([c.p for c in changes]), holm([c.p_equivalent(margin) for c in changes])
        for i, p, same in zip(family, ps, equivalent, strict=True):
            done[i] = replace(compared[i], p=p, p_equivalent=same, tests=len(family))
    return done
