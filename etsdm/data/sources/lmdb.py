"""An LMDB of encoded images, as LSUN comes: every value is the content of an image file.

The database is a folder with `data.mdb` in it, or a single file (made with `subdir=False`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from etsdm.data.files import file_fingerprint
from etsdm.data.originals import Originals, Overview
from etsdm.data.sources.source import OwnImages
from etsdm.errors import UserError

if TYPE_CHECKING:
    from lmdb import Environment

FILE = "data.mdb"
NO_IMAGES = (b"length", b"num-samples", b"__len__", b"__keys__")
"""Keys under which packing tools note the number of images or their keys."""


class Lmdb(OwnImages):
    """The folder of an LMDB, or its single file. Each value is the content of an image file, as LSUN comes. It has no
    labels."""

    order: ClassVar[int] = 70

    source: Literal["lmdb"]


def inspect(name: str, spec: dict[str, Any]) -> Overview:
    """Number of images, that they have no labels, and the keys that are passed over.

    Raises:
        UserError: there is no such database, or it is damaged or empty.
    """
    if not _file(spec["path"]).is_file():
        raise UserError(
            f"datasets.{name}.path: no {FILE} in {spec['path']!r} (looked in {Path.cwd()}); give the folder of an "
            "LMDB, or its file"
        )
    with _open(spec["path"]) as database:
        noted = _noted(database)
        count = database.stat()["entries"] - len(noted)
    if not count:
        raise UserError(f"datasets.{name}.path: the database in {spec['path']!r} is empty")
    remark = f"passed over in {spec['path']!r}: the keys {', '.join(noted)}, which hold no images"
    return Overview(count, False, (remark,) if noted else ())


def _noted(database: Environment) -> list[str]:
    """Those of `NO_IMAGES` that are there."""
    with database.begin() as transaction:
        return [key.decode() for key in NO_IMAGES if transaction.get(key) is not None]


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that the database has changed. None: it is not there."""
    return file_fingerprint(_file(spec["path"]))


def _file(path: str) -> Path:
    """The database's file, in its folder or by itself."""
    return Path(path) if Path(path).is_file() else Path(path) / FILE


def load(spec: dict[str, Any]) -> Originals:
    """The database's images in the order of their keys.

    Raises:
        UserError: the database is damaged, or, while the images are read, one is corrupt or of another size.
    """
    from etsdm.data.images import decode

    with _open(spec["path"]) as database:
        count = database.stat()["entries"] - len(_noted(database))
    return Originals(_values(spec["path"]), partial(decode, spec), count)


def _values(path: str) -> Iterator[tuple[str, bytes]]:
    with _open(path) as database, database.begin() as transaction:
        for key, value in transaction.cursor():
            if key not in NO_IMAGES:
                yield f"{path}: {key.decode(errors='backslashreplace')}", value


@contextmanager
def _open(path: str) -> Iterator[Environment]:
    """The database, read only, without a lock file.

    A database that is shorter than it says is refused here, because reading beyond its end would kill the process.
    """
    import lmdb

    try:
        folder = not Path(path).is_file()
        with lmdb.open(path, subdir=folder, readonly=True, lock=False, create=False, readahead=False) as database:
            needed = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
            if _file(path).stat().st_size < needed:
                raise UserError(f"{path}: the database is cut off: {needed:,} bytes are needed; get it again")
            yield database
    except lmdb.Error as error:
        raise UserError(f"{path}: not a readable LMDB ({error}); get it again") from error
