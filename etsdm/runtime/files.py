"""Files that are either whole or absent, and their digests."""

import glob
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from etsdm.errors import UserError
from etsdm.runtime.finite import NOT_FINITE


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which becomes `path` only if the block ends without an error.

    What a killed process has left of the same file is removed; so no two processes may write one file at a time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically.

    Raises:
        UserError: it holds a number that is not finite, which JSON does not know; the message names its key.
    """
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        wrong = next(_not_finite(value, ""))
        raise UserError(f"{path}: {wrong} is {NOT_FINITE}, so nothing is written") from None
    write_text(path, text + "\n")


def _not_finite(value: Any, key: str) -> Iterator[str]:
    """The keys of numbers within `value` that are not finite, each with its number: `points[3].K = nan`."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{key} = {value}"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _not_finite(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _not_finite(item, f"{key}[{place}]")


def read_json(path: Path) -> Any:
    """Read the JSON file at `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the file at `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
