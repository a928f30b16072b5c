"""The attempts at one result: how each ended, and whether another one makes sense.

A job that is run again after a failure (by a workflow's retries) goes on if it was cut off, and fails at once, in the
same words, if what stopped it would stop it again.
"""

import json
import os
import re
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, Timeout

from etsdm.errors import AlreadyMade, Interrupted, UserError
from etsdm.runtime.locks import HOW_TO_FREE, is_marker, lock_at
from etsdm.runtime.slurm import is_over

Entry = dict[str, Any]
SAVED = (".pt", ".npy")
"""Suffixes of what a cut-off attempt leaves for the next one."""
MARKER = 1.0
"""Seconds in which the marker of a process that was killed on this machine is found out."""
KILLS = 3
"""After this many attempts in a row that were killed and left nothing behind, no other is made."""
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
"""What NumPy says on a full disk, without an error number."""


def file_of(manifest: Path) -> Path:
    """Where the attempts at the result with this manifest are written down."""
    return manifest.with_name(f".{manifest.stem}.attempts.jsonl")


class Attempts:
    """A file with a line for the beginning and, unless it was killed, the end of each attempt.

    Args:
        file: where the attempts are written down, beside the result, and no output of any job.
        result: the file by which a finished result is known.
        progress: folders in which a cut-off attempt leaves what the next one goes on from.
    """

    def __init__(self, file: Path, result: Path, *progress: Path) -> None:
        self.file = file
        self.result = result
        self.progress = progress

    @contextmanager
    def recorded(self, number: int) -> Iterator[None]:
        """Run the block as an attempt and write down how it ends; after a good end there is nothing to remember.

        Args:
            number: of the attempt in this run of the workflow, from 1; the first one is always made.

        Raises:
            UserError: an earlier attempt of this run failed in a way that another would, too; or the disk is full.
            AlreadyMade: another process was at work on the result, and has made it; or the block says so.
        """
        with self._alone():
            if number > 1:
                self._check()
            self._write(
                started=_now(),
                host=socket.gethostname(),
                pid=os.getpid(),
                job=os.environ.get("SLURM_JOB_ID"),
                left=self._left(),
            )
            try:
                yield
            except AlreadyMade:
                self.file.unlink()
                raise
            except BaseException as error:
                reason = _explained(error)
                self._write(ended=_now(), exit=_kind(reason), message=_words(reason))
                if reason is error:
                    raise
                raise reason from error
            self.file.unlink()

    def history(self) -> list[Entry]:
        """Every attempt: "started", "host", "pid", "job", what was "left" by those before it, "ended", "exit" and
        "message". One that was killed has no end, as has the one that is at work.
        """
        entries: list[Entry] = []
        for line in self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # cut off in mid-write
                continue
            if "started" in entry:
                entries.append(entry)
            elif entries:
                entries[-1] |= entry
        return entries

    def _check(self) -> None:
        history = self.history()
        if history and history[-1].get("exit") == "failed":
            reason = "the attempt before failed in the same way, so another one would fail, too"
            raise UserError(f"{history[-1]['message']}\n{reason}")
        last = history[-KILLS:]
        if len(last) == KILLS and all("exit" not in entry and entry["left"] == self._left() for entry in last):
            raise UserError(
                f"{self.file.parent}: {KILLS} attempts in a row were killed and got nowhere; "
                "give the job more memory (mem_mb) or time (runtime)"
            )

    def _left(self) -> str:
        """What tells whether an attempt got further than the one before."""
        files = (path for folder in self.progress for path in folder.rglob("*") if path.suffix in SAVED)
        names = sorted(path.name for path in files)
        return f"{len(names)} files, the last {names[-1]}" if names else "nothing"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off other processes; one that is at work on this result, left by a dead workflow, is told to leave."""
        lock = self._lock()
        try:
            lock.acquire(timeout=MARKER if is_marker(lock) else 0)
        except Timeout:
            before = self._version()
            self._take_over(lock)
            lock.acquire()
            if self._version() not in (None, before):
                lock.release()
                raise AlreadyMade(f"{self.result}: made by the other process") from None
        try:
            yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _lock(self) -> BaseFileLock:
        folder = self.file.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except PermissionError as error:
            raise UserError(f"{folder}: {error.strerror}; it belongs to another user") from error
        lock = lock_at(self.file.with_suffix(".lock"))
        if is_marker(lock):
            print(f"etsdm: warning: {folder}: no locks on this file system; a marker stands for one", file=sys.stderr)
        return lock

    def _version(self) -> tuple[int, int] | None:
        """What tells one file of the result from another at the same path: no clock, for machines differ in theirs."""
        if not self.result.exists():
            return None
        status = self.result.stat()
        return status.st_ino, status.st_mtime_ns

    def _take_over(self, lock: BaseFileLock) -> None:
        """Have the lock freed; wait for it afterwards.

        Raises:
            UserError: it will not be: the other process belongs to another user, or there is only its marker, made on
                another machine, and it may still be at work.
        """
        print(f"etsdm: {self.file.parent}: another process is at work here; waiting for it", file=sys.stderr)
        at_work = self.history()[-1:]
        if at_work and at_work[0]["host"] == socket.gethostname():
            self._tell_to_leave(at_work[0]["pid"])
        elif is_marker(lock):
            if not at_work or not is_over(at_work[0]["job"]):
                host = f" on {at_work[0]['host']}" if at_work else ""
                raise UserError(f"{lock.lock_file}: another process{host} holds this result; {HOW_TO_FREE}")
            Path(lock.lock_file).unlink(missing_ok=True)

    def _tell_to_leave(self, process: int) -> None:
        print(f"etsdm: process {process} is told to save what it has and leave", file=sys.stderr)
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:  # it has just ended
            pass
        except PermissionError:
            raise UserError(
                f"{self.file.parent}: process {process} of another user is at work here; ask them"
            ) from None

    def _write(self, **entry: Any) -> None:
        try:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError:  # on a full disk: the message that says so matters more
            if "started" in entry:
                raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, OSError) and (error.errno in (ENOSPC, EDQUOT) or SHORT_WRITE.fullmatch(str(error))):
        where = f"{error.filename}: " if error.filename else ""
        return UserError(
            f"{where}no space left ({error.strerror or error}); free some, then the same command goes on from what "
            "is saved"
        )
    return error


def _kind(error: BaseException) -> str:
    """Another attempt may do better after an interruption, or when a machine, a network or a file system failed."""
    if isinstance(error, Interrupted | KeyboardInterrupt | SystemExit):
        return "interrupted"
    machine = isinstance(error, OSError) or type(error).__name__ in ("AcceleratorError", "DistBackendError")
    return "crashed" if machine else "failed"


def _words(error: BaseException) -> str:
    if isinstance(error, UserError | Interrupted):
        return str(error)
    return "".join(traceback.format_exception(error)).strip()
