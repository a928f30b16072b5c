"""Paired changes over seeds, their intervals by Student's t, and the rule for a verdict."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import t as student_t

from etsdm.report.cells import BASELINE, COMPARED, Cell, baselines, better, cells, key
from etsdm.report.published import published_value
from etsdm.report.results import Results
from etsdm.report.text import MINUS

Verdict = Literal["same direction and size", "same direction", "undecided", "opposite", "not run"]

CONFIDENCE = 0.95
RULE = (
    "A difference is called only if the 95 % interval of its mean over seeds excludes 0, by Student's t of the paired "
    "changes. Anything else is undecided, as is all with one seed: where there is no difference, one is called in 5 % "
    "of cells, whatever the number of seeds. Cells of the same networks are not independent, and verdicts are not "
    "corrected for their number. What must hold exactly, such as a K of 0 or a proven bound, needs no spread and is "
    "called from any number of seeds. The direction is that of the paper's claim, or the one that a question names; "
    "the size is called the same if it lies between half and twice the published one. Seeds are paired: each compares "
    "networks trained, and images sampled, from the same seed."
)
ABSOLUTE = {"psnr": "dB", "ssim": ""}
"""Metrics whose changes are differences, and their unit; all others change by per cent."""


@dataclass(frozen=True)
class Change:
    """A paired change from one cell to another.

    Attributes:
        by_seed: the change of each seed that both have, in `unit`.
        mean, sd, low, high: of these: their mean, standard deviation and interval; NaN where there is none.
        unit: `%` of the seed's own first value, or the metric's own.
    """

    by_seed: dict[int, float]
    mean: float
    sd: float
    low: float
    high: float
    unit: str

    @property
    def differences(self) -> tuple[float, ...]:
        """The differences alone."""
        return tuple(self.by_seed.values())

    @property
    def text(self) -> str:
        """Mean and standard deviation."""
        return signed(self.mean, self.sd, self.unit)

    @property
    def interval(self) -> str:
        """The interval of the mean; empty if there is none."""
        return interval_text(self.low, self.high, self.unit)


def _digits(unit: str) -> int:
    return {"%": 1, "dB": 2}.get(unit, 3)


def signed(mean: float, sd: float | None = None, unit: str = "%") -> str:
    """A change with its sign, its spread if there is one, and its unit."""
    if math.isnan(mean):
        return "–"
    digits = _digits(unit)
    spread = "" if sd is None or math.isnan(sd) else f" ± {sd:.{digits}f}"
    return f"{mean:+.{digits}f}{spread} {unit}".replace("-", MINUS).rstrip()


def interval_text(low: float, high: float, unit: str = "%") -> str:
    """`low to high`; empty if there is no interval."""
    if math.isnan(low):
        return ""
    digits = _digits(unit)
    return f"{low:+.{digits}f} to {high:+.{digits}f} {unit}".replace("-", MINUS).rstrip()


def smallest_called(differences: Sequence[float]) -> float:
    """The smallest mean of paired differences that would be called, given their spread; NaN below two of them.

    Student's t for a mean: t(0.975, n - 1) s / sqrt(n) (Student 1908, "The probable error of a mean").
    """
    n = len(differences)
    if n < 2:
        return math.nan
    return float(student_t.ppf((1 + CONFIDENCE) / 2, n - 1)) * statistics.stdev(differences) / math.sqrt(n)


def mean_interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of paired differences by Student's t; NaN below two of them."""
    if len(differences) < 2:
        return math.nan, math.nan
    mean, half = statistics.fmean(differences), smallest_called(differences)
    return mean - half, mean + half


def change(first: dict[int, float], other: dict[int, float], metric: str) -> Change:
    """The change from `first` to `other`, both {seed: value}, over the seeds that both have.

    It is a difference where the metric asks for one, or where a first value is not positive: a kernel distance may be.
    """
    seeds = [seed for seed in first if seed in other]
    if metric in ABSOLUTE or any(first[seed] <= 0 for seed in seeds):
        by_seed, unit = {seed: other[seed] - first[seed] for seed in seeds}, ABSOLUTE.get(metric, "")
    else:
        by_seed, unit = {seed: 100 * (other[seed] / first[seed] - 1) for seed in seeds}, "%"
    differences = tuple(by_seed.values())
    mean = statistics.fmean(differences) if differences else math.nan
    sd = statistics.stdev(differences) if len(differences) > 1 else math.nan
    return Change(by_seed, mean, sd, *mean_interval(differences), unit)


def verdict(
    differences: Sequence[float], expected: int, size: float | None = None, published: float | None = None
) -> Verdict:
    """Apply `RULE`.

    Args:
        differences: paired differences, one a seed.
        expected: sign that is claimed, +1 or -1.
        size: the measured effect.
        published: the published effect, if there is one.
    """
    if not differences:
        return "not run"
    low, high = mean_interval(differences)
    if len(differences) == 1 or low <= 0 <= high:
        return "undecided"
    if low * expected < 0:
        return "opposite"
    if size is not None and published and 0.5 <= size / published <= 2:
        return "same direction and size"
    return "same direction"


# ---------------------------------------------------------------- cell against cell


@dataclass(frozen=True)
class Compared:
    """A cell beside the ddpm cell that differs from it in the method alone.

    Attributes:
        cell: the cell.
        change: its change against ddpm; None for ddpm itself and where there is no ddpm.
        paper: the published value, if there is one.
        paper_change: the published change, in the unit of `change`.
    """

    cell: Cell
    change: Change | None
    paper: float | None
    paper_change: float | None

    @property
    def verdict(self) -> Verdict | None:
        """Whether the change is one for the better, and of the published size."""
        if self.change is None:
            return None
        metric = self.cell["metric"]
        return verdict(self.change.differences, better(metric), self.change.mean, self.paper_change)


def published_change(first: float | None, other: float | None, metric: str) -> float | None:
    """The change between two published values, in the unit of `change`."""
    if first is None or other is None:
        return None
    return other - first if metric in ABSOLUTE else 100 * (other / first - 1)


def compare(results: Results, experiment: str) -> list[Compared]:
    """Every cell of an experiment with its change against ddpm, the cells to compare next to one another."""
    table = cells(results.experiment(experiment))
    ddpm = baselines(table)
    return [_compared(results, ddpm.get(key(cell, COMPARED)), cell) for _, cell in table.iterrows()]


def _compared(results: Results, base: Cell | None, cell: Cell) -> Compared:
    paper = published_value(results.published, cell)
    if base is None or cell["method"] == BASELINE:
        return Compared(cell, None, paper, None)
    metric = cell["metric"]
    return Compared(
        cell,
        change(base["by_seed"], cell["by_seed"], metric),
        paper,
        published_change(published_value(results.published, base), paper, metric),
    )
