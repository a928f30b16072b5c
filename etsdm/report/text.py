"""Numbers and settings as text for people."""

import math
from collections.abc import Sequence
from typing import Any

MINUS = "−"


def _is_missing(value: Any) -> bool:
    return value is None or math.isnan(value)


def _decimals(value: float, significant: int) -> int:
    return 0 if value == 0 else max(0, significant - 1 - math.floor(math.log10(abs(value))))


def _exponent(value: float) -> int:
    """The power of ten to write a small value with; 0 for one that reads well as it is."""
    return math.floor(math.log10(abs(value))) if 0 < abs(value) < 1e-3 else 0


def number(value: float, significant: int = 3) -> str:
    """A value with `significant` digits or all those before the point, `NA` if there is none."""
    if _is_missing(value):
        return "NA"
    power = _exponent(value)
    scaled = value / 10**power + 0.0  # no negative zero
    return f"{scaled:.{_decimals(scaled, significant)}f}{f'e{power}' if power else ''}".replace("-", MINUS)


def mean_sd(mean: float, sd: float) -> str:
    """`mean ± sd` to the same decimals: two digits of the deviation, within three to four of the mean."""
    if _is_missing(mean) or _is_missing(sd) or mean == 0:
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


def counted(count: int, what: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def short_count(count: float) -> str:
    """`800`, `56k`, `1.5M`."""
    for unit, size in (("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:g}{unit}"
    return f"{count:g}"


def duration(seconds: float, sd: float = float("nan")) -> str:
    """Seconds as text a person reads, with their spread in the same unit if there is one."""
    if _is_missing(seconds):
        return "NA"
    unit, length = ("h", 3600) if seconds >= 5400 else ("min", 60) if seconds >= 90 else ("s", 1)
    decimals = 0 if seconds / length >= 100 else 1
    spread = "" if _is_missing(sd) else f" ± {sd / length:.{decimals}f}"
    return f"{seconds / length:.{decimals}f}{spread} {unit}"


def settings(values: dict[str, Any], without: tuple[str, ...] = ("name", "nfe")) -> str:
    """Settings as text, but for some."""
    return ", ".join(f"{key} {_plain(value)}" for key, value in values.items() if key not in without)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:,}" if isinstance(value, int) else str(value)


def unique(values: list[Any]) -> list[Any]:
    """Each value once, in order."""
    return [value for i, value in enumerate(values) if value not in values[:i]]
