"""Files of a user's own images: which are images, how large they may be, and what they are known by."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePath

from etsdm.errors import UserError

LARGEST_SIDE = 4096
"""Pixels a side of the largest image that is read."""
LARGEST_FILE = 4 * LARGEST_SIDE**2
"""Bytes of the largest member of an archive that is read: room for such an image without compression."""
SUFFIXES = {".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
OTHERS_OWN = {"$RECYCLE.BIN", "@eaDir", "System Volume Information", "__MACOSX", "lost+found"}
"""Folders in which operating systems keep pictures of their own; so are those that begin with a dot."""
TAIL = 2**16
MOST_REASONS = 6
"""Reasons of files passed over that are told one by one."""


def why_not(path: PurePath) -> str | None:
    """Why a relative path is passed over: it is hidden, or no image by its suffix. None: it is that of an image."""
    if any(is_hidden(part) for part in path.parts):
        return "hidden"
    if path.suffix.lower() in SUFFIXES:
        return None
    return repr(path.suffix.lower()) if path.suffix else "without a suffix"


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or an operating system's own."""
    return name.startswith(".") or name in OTHERS_OWN


def passed_over(path: str, reasons: Mapping[str, int]) -> tuple[str, ...]:
    """A line on what was passed over in `path`, with the number for each reason; none where nothing was."""
    if not reasons:
        return ()
    most_common = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:MOST_REASONS]
    others = sum(reasons.values()) - sum(count for _, count in most_common)
    listed = [f"{count:,} {reason}" for reason, count in most_common] + [f"{others:,} others"] * bool(others)
    return (f"passed over in {path!r}: {', '.join(listed)}; images are {', '.join(sorted(SUFFIXES))}",)


def existing_file(name: str, path: Path, expected: str) -> None:
    """Refuse a data set whose file is not there.

    Raises:
        UserError: naming the data set, the place looked and what is `expected` there.
    """
    if not path.is_file():
        raise UserError(f"datasets.{name}.path: no file {str(path)!r} (looked in {Path.cwd()}); give {expected}")


def file_fingerprint(path: Path) -> str | None:
    """What tells that a file has changed, without reading it all: its size, time, beginning and end.

    The end holds the checksums of a zip and of a gzip, the beginning the last transaction of an LMDB. None: it is not
    there.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        status, head = path.stat(), file.read(TAIL)
        file.seek(max(0, status.st_size - TAIL))
        known_by = (status.st_size, status.st_mtime_ns, head, file.read())
        return hashlib.sha256(repr(known_by).encode()).hexdigest()[:16]
