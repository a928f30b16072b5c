"""Disk in the results folder: whether it can be written, and holds what the configuration makes."""

import os
import shutil
from collections.abc import Iterator

from etsdm.doctor._line import Case, Line, size

ORDER = 50
LEAST = 1e8
"""Bytes for a small benchmark: config/digits.yaml takes 23 MB, its report and logs aside."""


def lines(case: Case) -> Iterator[Line]:
    """Free bytes and free files, beside those that the plan needs."""
    free, files = shutil.disk_usage(case.folder).free, os.statvfs(case.folder).f_favail
    if case.plan is None:
        yield space(free, LEAST)
        return
    from etsdm.cost.estimate import footprint

    needs = footprint(case.plan)
    yield space(free, needs.bytes)
    if files:  # some file systems count none
        yield number(files, needs.files)


def space(free: float, needed: float) -> Line:
    """The line on free bytes, and how many are needed at most."""
    text = f"{size(free)} free in the results folder, up to {size(needed)} needed"
    if free >= needed:
        return Line("disk", "fine", text)
    cure = "free some, or let things go when they have been used: `keep: {samples: shown, maps: false}`"
    return Line("disk", "missing", text, cure)


def number(free: int, needed: int) -> Line:
    """The line on free files, and how many are needed at most."""
    text = f"room for {free:,} in the results folder, up to {needed:,} needed"
    if free >= needed:
        return Line("files", "fine", text)
    return Line("files", "missing", text, "another file system, or `keep: {samples: shown, logs: false}`")
