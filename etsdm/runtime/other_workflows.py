"""Workflows on one results folder, from several clones: one that would make or change the files of another is refused.

Snakemake itself sees to this among the commands in one folder.
"""

import atexit
import getpass
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import BaseFileLock, Timeout

from etsdm.errors import UserError
from etsdm.runtime.files import read_json, write_json
from etsdm.runtime.locks import HOW_TO_FREE, is_marker, lock_at, locked
from etsdm.runtime.slurm import is_over


def enter(results: Path, inputs: Iterable[str], outputs: Iterable[str], job: str | None = None) -> BaseFileLock:
    """Let others know of this workflow until its process ends.

    Args:
        results: the folder, which may be reached by other paths from other clones.
        inputs: every file that the workflow reads, relative to its clone.
        outputs: every file that it is going to make.
        job: of SLURM in which it runs. A lock that stays longer than its job, as after a lost node, does not count.

    Returns:
        What holds as long as this process.

    Raises:
        UserError: another workflow is making one of these files, or reads one of the outputs; or see `locks.locked`.
    """
    mine = {"reads": sorted(set(inputs)), "makes": sorted(set(outputs))}
    folder = results / ".workflows"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "entrance.lock"):
        for file in folder.glob("*.json"):
            _look(file, results, mine, job)
        note = folder / f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}.json"
        lock = lock_at(note.with_suffix(".lock"))
        lock.acquire()
        write_json(note, {"user": getpass.getuser(), "folder": str(Path.cwd()), "job": job, **mine})
    atexit.register(_leave, note, lock)
    return lock


def _look(file: Path, results: Path, mine: dict[str, list[str]], job: str | None) -> None:
    """Compare with another workflow, and remove what one has left that is over."""
    lock = lock_at(file.with_suffix(".lock"))
    try:
        lock.acquire(timeout=1 if is_marker(lock) else 0)
    except Timeout:
        theirs = read_json(file)
        outputs = set(theirs["makes"])
        common = sorted(outputs & {*mine["makes"], *mine["reads"]} | set(theirs["reads"]) & set(mine["makes"]))
        over = theirs.get("job") != job and is_over(theirs.get("job"))
        if common and not over:
            raise UserError(_conflict(file, results, theirs, common) + _how(lock)) from None
    else:
        _leave(file, lock)


def _conflict(file: Path, results: Path, theirs: dict[str, Any], common: list[str]) -> str:
    host, process, _ = file.stem.rsplit("-", 2)
    more = f" and {len(common) - 1:,} more files" if len(common) > 1 else ""
    return (
        f"{results}: the workflow of {theirs['user']} in {theirs['folder']} (host {host}, process {process}) is at "
        f"work on {common[0]}{more}; wait for it, or use another results folder"
    )


def _how(lock: BaseFileLock) -> str:
    return f" ({lock.lock_file}: {HOW_TO_FREE})" if is_marker(lock) else ""


def _leave(file: Path, lock: BaseFileLock) -> None:
    file.unlink(missing_ok=True)
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
