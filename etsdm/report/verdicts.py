"""From tests to verdicts."""

import math
from collections.abc import Sequence
from typing import Literal

from etsdm.report.changes import LEVEL, Change, signed
from etsdm.report.power import POWER, smallest_visible

Verdict = Literal["same direction and size", "same direction", "equivalent", "undecided", "opposite", "not run"]
VERDICTS: tuple[Verdict, ...] = (
    "same direction and size",
    "same direction",
    "equivalent",
    "undecided",
    "opposite",
    "not run",
)
YES: tuple[Verdict, ...] = ("same direction and size", "same direction")
"""What confirms a claim, or answers a question with yes."""

RULE = (
    "Changes are differences of logarithms, paired by seed: each compares networks trained, and images sampled, "
    "from the same seed. Each experiment has one primary claim, tested once at 5 % by Student's t of one number "
    "per seed. All else is exploratory and carries Holm's correction: findings among the findings of their "
    "experiment, cells among the cells of their table. A cell's error is the noise floor, the residual after "
    "method and seed, per metric and solver, pooled over blocks. Where Bartlett's test finds residuals unequal, "
    "it must pass its own paired t, too. What must hold exactly, such as a K of 0 or a proven bound, needs no "
    "test. The direction is that of the paper's claim, or the one that a question names. The size is called the "
    "same if it lies between half and twice the published one. Equivalent: two one-sided tests at 5 % exclude "
    "changes beyond the margin. One seed is always undecided. docs/protocol.md says it in full."
)


def holm(ps: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's step-down method (1979); NaN stays NaN and does not count."""
    tested = sorted((p, i) for i, p in enumerate(ps) if not math.isnan(p))
    corrected, largest = [math.nan] * len(ps), 0.0
    for rank, (p, i) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        corrected[i] = largest
    return corrected


def verdict(
    change: Change, expected: int, published: float | None = None, p: float = math.nan, p_equivalent: float = math.nan
) -> Verdict:
    """Apply `RULE` to one change.

    Args:
        change: the change.
        expected: sign that is claimed, +1 or -1.
        published: the published effect (log or difference), if there is one.
        p: of no change, corrected where it must be.
        p_equivalent: of a change beyond the margin, likewise.
    """
    if not change.effects:
        return "not run"
    if p <= LEVEL:
        if change.effect * expected < 0:
            return "opposite"
        return "same direction and size" if _same_size(change.effect, published) else "same direction"
    return "equivalent" if p_equivalent <= LEVEL else "undecided"


def _same_size(effect: float, published: float | None) -> bool:
    return bool(published) and 0.5 <= effect / (published or math.nan) <= 2


def visible(change: Change, tests: int = 1) -> float:
    """The smallest change in per cent (or the metric's unit) that would be called with the probability `POWER`.

    Args:
        change: the change, for its error.
        tests: how many tests share the level: that of Holm's first step.
    """
    return change.shown(smallest_visible(change.error, change.freedom, LEVEL / tests))


def visible_text(change: Change, tests: int = 1) -> str:
    """`visible` as text; empty if it is not known."""
    size = visible(change, tests)
    if math.isnan(size):
        return ""
    return "over 1,000 %" if change.unit == "%" and size > 1000 else signed(size, change.unit).lstrip("+")


SEEN = f"with a probability of {POWER:.0%}".replace("%", " %")
"""How sure a call of the smallest visible change would have been."""
