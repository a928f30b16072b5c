"""How many files a process may have open."""

import resource
from collections.abc import Iterator

from etsdm.doctor._line import Case, Line

ORDER = 70
LEAST = 256
"""A benchmark of 98 jobs ran on two processors with this limit."""


def lines(case: Case) -> Iterator[Line]:
    """The limit that holds now."""
    yield limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def limit(files: int) -> Line:
    """The line on a limit."""
    if files == resource.RLIM_INFINITY:
        return Line("open files", "fine", "as many as wanted")
    if files < LEAST:
        return Line("open files", "missing", f"{files:,} at most, {LEAST} are needed", "ulimit -n 1024")
    return Line("open files", "fine", f"{files:,} at most")
