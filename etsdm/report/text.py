"""Numbers as text for people."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

MINUS = "−"


def _decimals(value: float, significant: int) -> int:
    return 0 if value == 0 else max(0, significant - 1 - math.floor(math.log10(abs(value))))


def _exponent(value: float) -> int:
    """The power of ten to write a small value with; 0 for one that reads well as it is."""
    return math.floor(math.log10(abs(value))) if 0 < abs(value) < 1e-3 else 0


def number(value: float, significant: int = 3) -> str:
    """A value with `significant` digits or all those before the point, `NA` if there is none."""
    if pd.isna(value):
        return "NA"
    power = _exponent(value)
    scaled = value / 10**power + 0.0  # no negative zero
    return f"{scaled:.{_decimals(scaled, significant)}f}{f'e{power}' if power else ''}".replace("-", MINUS)


def mean_sd(mean: float, sd: float) -> str:
    """`mean ± sd` to the same decimals: two digits of the deviation, within three to four of the mean."""
    if pd.isna(mean) or pd.isna(sd) or mean == 0:
        return number(mean)
    power = _exponent(mean)
    mean, sd = mean / 10**power, sd / 10**power
    decimals = min(max(_decimals(sd, 2), _decimals(mean, 3)), _decimals(mean, 4))
    text = f"{mean:.{decimals}f} ± {sd:.{decimals}f}"
    return (f"({text})e{power}" if power else text).replace("-", MINUS)


def listed(words: Sequence[Any]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    texts = [str(word) for word in words]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def duration(seconds: float, sd: float = float("nan")) -> str:
    """Seconds as text a person reads, with their spread in the same unit if there is one."""
    if pd.isna(seconds):
        return "NA"
    unit, length = ("h", 3600) if seconds >= 5400 else ("min", 60) if seconds >= 90 else ("s", 1)
    decimals = 0 if seconds / length >= 100 else 1
    spread = "" if pd.isna(sd) else f" ± {sd / length:.{decimals}f}"
    return f"{seconds / length:.{decimals}f}{spread} {unit}"
