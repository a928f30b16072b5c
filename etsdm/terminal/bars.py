"""How far a job is: the last progress bar in its log, as tqdm draws it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

TAIL = 4096
"""Bytes at the end of a log that are read."""
BAR = re.compile(r"(\d+)%\|[^|\r\n]*\| [^\[\r\n]*\[[^<\r\n]*<([^,\r\n]*), *([^\],\r\n]*)[^\]\r\n]*\]")
RATE = re.compile(r"([\d.]+[kMGT]?) *(\S*)")


@dataclass(frozen=True)
class Bar:
    """What a bar says.

    Attributes:
        percent: of the work that is done.
        rate: how fast it is, such as "830 img/s"; empty if that is not known yet.
        left: seconds that are left when the log was read; None if that is not known yet.
    """

    percent: int
    rate: str
    left: float | None


def bar_at(log: Path, now: float) -> Bar | None:
    """The last bar in a log; None if there is none yet. It says what is left at the time `now`."""
    try:
        with log.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    return last_bar(text, max(0.0, now - status.st_mtime))


def last_bar(text: str, age: float = 0.0) -> Bar | None:
    """The last bar in a text that was written `age` seconds ago."""
    bars = list(BAR.finditer(text))
    if not bars:
        return None
    percent, left, rate = bars[-1].groups()
    seconds = _seconds(left)
    known = RATE.fullmatch(rate.strip())
    return Bar(
        percent=int(percent),
        rate=f"{known[1]} {known[2]}" if known else "",
        left=None if seconds is None else max(0.0, seconds - age),
    )


def without_bars(text: str) -> list[str]:
    """The lines of a log as a terminal would leave them, without those that are bars."""
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return [line for line in lines if line.strip() and not BAR.search(line)]


def _seconds(clock: str) -> float | None:
    """Seconds of `MM:SS` or `H:MM:SS`; None for a question mark."""
    parts = clock.strip().split(":")
    if not all(part.isdigit() for part in parts):
        return None
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return float(seconds)
