"""Locks on files, held by one process at a time.

The system lifts them when the process ends, however it ends. On a file system without locks, markers stand for them:
files that are there while a process is at work. Those of processes that were killed on another machine stay.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, ENOSYS, EOPNOTSUPP, EPERM
from pathlib import Path
from tempfile import TemporaryFile

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from etsdm.errors import UserError

WAIT = 600.0
"""Seconds to wait for a marker to go, which nobody may be there to take away."""


def probe(folder: Path) -> None:
    """Lock a file without a name in a folder that is there. Raises OSError: it can't be written, or has no locks."""
    with TemporaryFile(dir=folder) as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def lock_at(file: Path) -> BaseFileLock:
    """A lock that is not yet held, at a file in a folder that is there.

    Raises:
        UserError: the file system cannot lock at present, or the folder or the file may not be written.
    """
    try:
        probe(file.parent)
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES), str(file))
    except OSError as error:
        if error.errno not in (ENOSYS, EOPNOTSUPP):
            raise _refused(file, error) from error
        return SoftFileLock(file.with_name(f"{file.name}.held"))
    return FileLock(file)


def is_marker(lock: BaseFileLock) -> bool:
    """Whether a lock is only a marker."""
    return isinstance(lock, SoftFileLock)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock at a file inside the block; wait for its holder.

    Raises:
        UserError: as `lock_at`; or a marker stays, of a process that was killed on another machine, perhaps.
    """
    lock = lock_at(file)
    try:
        lock.acquire(timeout=WAIT if is_marker(lock) else -1)
    except Timeout:
        raise UserError(f"{lock.lock_file}: has been there for {WAIT:.0f} s; {HOW_TO_FREE}") from None
    except OSError as error:
        raise _refused(file, error) from error
    try:
        yield
    finally:
        lock.release()


HOW_TO_FREE = "if no job is at work there, remove this file, which stands for a lock"


def _refused(file: Path, error: OSError) -> UserError:
    if error.errno in (EACCES, EPERM):
        return UserError(f"{error.filename or file.parent}: {error.strerror}; it belongs to {_owner(file)}")
    return UserError(
        f"{file.parent}: files there cannot be locked ({error.strerror}); ask for a mount with locks (on NFS their "
        "daemon may be down; Lustre has the option flock), or put the results on another file system"
    )


def _owner(file: Path) -> str:
    existing = file if file.exists() else file.parent
    try:
        return f"user {existing.owner()}"
    except (KeyError, OSError):
        return "another user"
