"""Locks and hard links in the results folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from etsdm.doctor._line import Case, Line
from etsdm.errors import UserError
from etsdm.runtime.locks import is_marker, lock_at

ORDER = 60


def lines(case: Case) -> Iterator[Line]:
    """Whether files can be locked there, and have two names."""
    try:
        lock = lock_at(case.folder / ".doctor.lock")
    except UserError as error:
        yield Line("locks", "missing", str(error), "results on a file system that you can write, with locks")
        return
    if is_marker(lock):
        yield Line("locks", "no matter", "none on this file system; markers stand for them, which killed jobs leave")
    else:
        yield Line("locks", "fine", "files in the results folder can be locked")
    if can_link(case.folder):
        yield Line("hard links", "fine", "what a long job has made is kept beside its outputs")
    else:
        yield Line("hard links", "no matter", "none; what Snakemake removes after a crash is computed again")


def can_link(folder: Path) -> bool:
    """Whether a file in a folder can have two names."""
    try:
        with TemporaryDirectory(dir=folder) as inside:
            file = Path(inside) / "one"
            file.touch()
            os.link(file, file.with_name("two"))
    except OSError:
        return False
    return True
