"""SHA-256 of files: of a small one worked out whenever it is asked for, of a large one once."""

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from etsdm.runtime.files import sha256

LARGE = 2**30
"""Bytes from which on a file is large."""


def remembered(file: Path) -> str:
    """Hexadecimal SHA-256 of `file`.

    That of a large one is remembered in `.NAME.sha256` beside it. It holds as long as inode, size and time of the last
    change are the same; in a folder that cannot be written, nothing is remembered.

    Raises:
        OSError: the file cannot be read.
    """
    state = _state(file)
    if file.stat().st_size < LARGE:
        return sha256(file)
    note = file.with_name(f".{file.name}.sha256")
    with suppress(OSError, ValueError):
        noted_state, digest = note.read_text(encoding="utf-8").rsplit(maxsplit=1)
        if noted_state == state:
            return digest
    digest = sha256(file)
    if _state(file) == state:
        _write(note, f"{state} {digest}\n")
    return digest


def _state(file: Path) -> str:
    status = file.stat()
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


def _write(note: Path, text: str) -> None:
    """Write a note whole or not at all, while other processes may write the same."""
    temporary = note.with_name(f"{note.name}.{uuid4().hex[:8]}")
    with suppress(OSError):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(note)
