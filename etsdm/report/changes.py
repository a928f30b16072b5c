"""Paired changes over seeds: differences of logarithms, shown in per cent, and their intervals by Student's t."""

import math
import statistics
from dataclasses import dataclass

from scipy.stats import t as student_t

from etsdm.report import metrics
from etsdm.report.text import MINUS

LEVEL = 0.05
"""Share of calls where there is no difference."""


@dataclass(frozen=True)
class Change:
    """A paired change from one value to another, over seeds.

    Attributes:
        effects: the effect of each seed that both have: log(other / first), or other - first.
        unit: `%` if the effects are differences of logarithms, else the metric's own.
        error: standard error of the mean effect; NaN if it is not known.
        freedom: degrees of freedom of that error.
        permuted: p value of no change by permutations, where Student's t does not apply; NaN elsewhere.
    """

    effects: dict[int, float]
    unit: str
    error: float
    freedom: float
    permuted: float = math.nan

    def shown(self, effect: float) -> float:
        """An effect in `unit`: a difference of logarithms x is a change by 100 (e^x - 1) %."""
        return 100 * _grown(effect) if self.unit == "%" else effect

    @property
    def effect(self) -> float:
        """The mean effect; NaN without any."""
        return statistics.fmean(self.effects.values()) if self.effects else math.nan

    @property
    def by_seed(self) -> dict[int, float]:
        """Each seed's effect in `unit`."""
        return {seed: self.shown(effect) for seed, effect in self.effects.items()}

    @property
    def mean(self) -> float:
        """The mean effect in `unit`."""
        return self.shown(self.effect)

    def limits(self, level: float = LEVEL) -> tuple[float, float]:
        """The interval of the mean effect that leaves out `level`; NaN without a standard error."""
        half = float(student_t.ppf(1 - level / 2, self.freedom)) * self.error
        return self.effect - half, self.effect + half

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval in `unit`."""
        return self.shown(self.limits()[0])

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval in `unit`."""
        return self.shown(self.limits()[1])

    @property
    def p(self) -> float:
        """Two-sided p value of no change, Student's t or `permuted`; NaN without a standard error."""
        if not math.isnan(self.permuted):
            return self.permuted
        if math.isnan(self.error) or self.effect == 0 == self.error:
            return math.nan
        return 0.0 if self.error == 0 else float(2 * student_t.sf(abs(self.effect) / self.error, self.freedom))

    def p_equivalent(self, margin: float) -> float:
        """p value of a change of `margin` or more either way, by two one-sided tests (Schuirmann 1987).

        NaN without a standard error, and where the effects are no differences of logarithms.

        Args:
            margin: as a share; the effect is to lie within log(1 + margin) of 0.
        """
        if self.unit != "%" or math.isnan(self.error):
            return math.nan
        room = math.log1p(margin) - abs(self.effect)
        return float(room <= 0) if self.error == 0 else float(student_t.sf(room / self.error, self.freedom))

    @property
    def text(self) -> str:
        """The mean change."""
        return signed(self.mean, self.unit)

    @property
    def interval(self) -> str:
        """The 95 % interval of the mean; empty if there is none."""
        return interval_text(self.low, self.high, self.unit)

    @property
    def each(self) -> str:
        """Every seed's change."""
        return ", ".join(signed(value, self.unit) for value in self.by_seed.values())


def _grown(effect: float) -> float:
    """e^x - 1, without an overflow."""
    return math.inf if effect > 700 else math.expm1(effect)


def _digits(unit: str) -> int:
    return {"%": 1, "dB": 2}.get(unit, 3)


def signed(value: float, unit: str = "%") -> str:
    """A change with its sign and unit."""
    if math.isnan(value):
        return "–"
    return f"{_signed(value, _digits(unit))} {unit}".rstrip()


def _signed(value: float, digits: int) -> str:
    """A number with its sign; what rounds to zero from below is no negative zero."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", MINUS)


def interval_text(low: float, high: float, unit: str = "%") -> str:
    """`low to high`; empty if there is no interval."""
    if math.isnan(low):
        return ""
    digits = _digits(unit)
    return f"{_signed(low, digits)} to {_signed(high, digits)} {unit}".rstrip()


def paired(effects: dict[int, float], unit: str) -> Change:
    """A change whose error is that of its own effects: the paired t (Student 1908), n - 1 degrees of freedom."""
    n, values = len(effects), list(effects.values())
    if n < 2 or not all(map(math.isfinite, values)):
        same = n > 1 and len(set(values)) == 1  # all of it, in every seed
        return Change(effects, unit, 0.0 if same else math.nan, max(n - 1, 1))
    return Change(effects, unit, statistics.stdev(values) / math.sqrt(n), n - 1)


def in_logs(metric: str, *by_seed: dict[int, float]) -> bool:
    """Whether all of these values have logarithms, and changes of the metric are differences of them."""
    return metrics.unit(metric) is None and all(value > 0 for values in by_seed for value in values.values())


def change(first: dict[int, float], other: dict[int, float], metric: str) -> Change:
    """The change from `first` to `other`, both {seed: value}, over the seeds that both have.

    It is a difference where the metric asks for one, or where a value is negative: a kernel distance may be. What falls
    to 0, as K does, has changed by -100 %.
    """
    own, seeds = metrics.unit(metric), [seed for seed in first if seed in other]
    if own is None and all(first[seed] > 0 and other[seed] >= 0 for seed in seeds):
        return paired({seed: _log(other[seed]) - _log(first[seed]) for seed in seeds}, "%")
    return paired({seed: other[seed] - first[seed] for seed in seeds}, own or "")


def _log(value: float) -> float:
    return math.log(value) if value else -math.inf


def mean_change(changes: list[Change]) -> Change:
    """The mean over changes in one unit, seed by seed over the seeds that all have, with its own error."""
    seeds = [seed for seed in changes[0].effects if all(seed in one.effects for one in changes)]
    return paired({seed: statistics.fmean(one.effects[seed] for one in changes) for seed in seeds}, changes[0].unit)
