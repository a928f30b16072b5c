"""Numbers that people can read, and that two measurements on one machine mostly share."""

import math

STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""First digits of rates."""


def step_below(rate: float) -> float:
    """The largest step that is not above a positive rate."""
    scale: float = 10.0 ** math.floor(math.log10(rate))
    return scale * max(step for step in STEPS if step * scale <= rate)


def two_digits(number: float) -> int:
    """A number rounded down to two digits; 0 where it is below 1."""
    if number < 1:
        return 0
    scale: int = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return math.floor(number / scale) * scale
