"""What is said of a job that failed: its log in full, and where that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etsdm.terminal.bars import without_bars
from etsdm.terminal.jobs import Job
from etsdm.terminal.lines import shortened

AT_MOST = 10
"""Jobs that are named at the end because they failed, or were interrupted."""
LINES = 200
"""Lines of a log that are shown: the last ones."""
COLUMNS = 300
"""Characters of a command: that of a training carries its whole specification."""


def first(names: list[str]) -> list[str]:
    """The first names of a list, and how many others there are."""
    others = [f"and {len(names) - AT_MOST} more"] if len(names) > AT_MOST else []
    return [*names[:AT_MOST], *others]


def failures(jobs: list[Job]) -> list[str]:
    """A line for each failed job, with the log that says why."""
    return [f"Failed: {name}" for name in first([job.name + (f", see {job.log}" if job.log else "") for job in jobs])]


def last_words(files: list[str]) -> str:
    """The last line of the first log that has one; empty if none has."""
    last_log = next((lines for file in files if (lines := _lines(Path(file)))), [""])
    return last_log[-1]


def failure(name: str, error: Mapping[str, Any], in_full: bool) -> str:
    """What is said of a failed job.

    Args:
        name: of the job.
        error: attributes of Snakemake's record of it: "rule_msg", "log", "aux" and "shellcmd".
        in_full: whether its log is shown, and not only named.
    """
    notes = [f"{key}: {value}" for key, value in (error.get("aux") or {}).items()]
    lines = [*str(error.get("rule_msg") or "").splitlines(), *notes]
    files = [str(file) for file in error.get("log") or []]
    logs = [line for file in files for line in (_quoted(Path(file)) if in_full else [f"see {file}"])]
    if not any(map(_lines, map(Path, files))) and error.get("shellcmd"):
        lines.append(f"its command: {shortened(str(error['shellcmd']).strip(), COLUMNS)}")
    return "\n".join(["", f"Error in {name}:", *(f"    {line}" for line in [*lines, *logs])])


def _quoted(log: Path) -> list[str]:
    lines = _lines(log)
    if not lines:
        return [f"{log}: nothing was written"]
    left_out = [f"(its first {len(lines) - LINES} lines are left out)"] if len(lines) > LINES else []
    return [f"{log}:", *(f"    {line}" for line in [*left_out, *lines[-LINES:]])]


def _lines(log: Path) -> list[str]:
    try:
        return without_bars(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
