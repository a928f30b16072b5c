"""Processors and memory."""

import os
from collections.abc import Iterator
from pathlib import Path

from etsdm.doctor._line import Case, Line, size
from etsdm.runtime.manifest import cpu_name
from etsdm.runtime.workers import cpus

ORDER = 40
LEAST = 1e9
"""Bytes that a job on small images may take."""
LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where a container or a scheduler says how much memory there is for it."""


def lines(case: Case) -> Iterator[Line]:
    """How many processors this process may use, and how much memory."""
    yield Line("processors", "fine", f"{cpus()} of {cpu_name() or 'unknown kind'}; each runs a job")
    yield memory(_memory())


def memory(total: float) -> Line:
    """The line on this number of bytes of memory."""
    if total < LEAST:
        return Line("memory", "missing", f"{size(total)}; a job may take {size(LEAST)}", "a machine with more memory")
    jobs = max(1, int(total / LEAST))
    return Line("memory", "fine", f"{size(total)}, for {jobs:,} {'jobs' if jobs > 1 else 'job'} on small images")


def _memory() -> float:
    """Bytes of this machine, or of the part of it that this process may use."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(LIMIT.read_text()))
    except (OSError, ValueError):  # no such limit, or the word "max"
        return whole
