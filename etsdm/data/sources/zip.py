"""A zip or tar archive of images, read where it is; folders in it, if each image lies in one, are the labels."""

import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, ClassVar, Literal, NamedTuple

from etsdm.data.files import LARGEST_FILE, SUFFIXES, existing_file, file_fingerprint, passed_over, why_not
from etsdm.data.labels import LISTING, Labels, find_labels
from etsdm.data.originals import Damaged, Originals, Overview
from etsdm.data.sources.source import OwnImages
from etsdm.errors import UserError

DAMAGE = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, RuntimeError, ValueError)
"""What the readers raise on an archive that is damaged, or locked by a password."""


class Zip(OwnImages):
    """A zip or tar archive of images (also .tar.gz, .tar.bz2, .tar.xz), read where it is.

    If each image lies in one of several folders, those are the labels, unless `dataset.json` lists labels.
    """

    order: ClassVar[int] = 60
    where: ClassVar[frozenset[str]] = frozenset({"source", "path", "folder"})

    source: Literal["zip"]
    folder: str | None = None
    """Only the images below this folder of the archive; null: all of them."""


class Member(NamedTuple):
    """A file in an archive. `read` may be called until the next member is asked for."""

    name: str
    size: int
    is_regular: bool
    folder: bool
    read: Callable[[], bytes]


class Beside(NamedTuple):
    """What lies beside the images: how many files are passed over for which reason, and listings of labels."""

    passed: Counter[str]
    listings: dict[PurePath, bytes]


def inspect(name: str, spec: dict[str, Any]) -> Overview:
    """Number of images, whether they have labels, and what is passed over. A compressed tar is read through for it.

    Raises:
        UserError: the archive is not there, damaged, unsafe, or holds no image or several parts of a data set.
    """
    existing_file(name, Path(spec["path"]), "a zip or tar archive of images")
    names, beside = _names(spec)
    remarks = passed_over(spec["path"], beside.passed)
    if not names:
        below = f" below {spec['folder']!r}" if spec["folder"] else ""
        nothing = remarks or (f"allowed: {', '.join(sorted(SUFFIXES))}",)
        raise UserError(f"datasets.{name}.path: no images in {spec['path']!r}{below}; {nothing[0]}")
    return Overview(len(names), _labels(spec, names, beside) is not None, remarks)


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that the archive has changed. None: it is not there."""
    return file_fingerprint(Path(spec["path"]))


def load(spec: dict[str, Any]) -> Originals:
    """The archive's images: those of a zip in the order of their names, those of a tar in its own order.

    Raises:
        UserError: the archive is unsafe or damaged, or, while the images are read, one is corrupt or of another size.
    """
    from etsdm.data.images import decode

    names, beside = _names(spec)
    labels, classes = _labels(spec, names, beside) or (None, None)
    return Originals(_contents(spec), partial(decode, spec), len(names), labels, classes)


def _contents(spec: dict[str, Any]) -> Iterator[tuple[str, bytes | Damaged]]:
    for member in _images(spec):
        name = f"{spec['path']}: {member.name}"
        try:
            content: bytes | Damaged = member.read()
        except NotImplementedError as error:  # Windows' own compression of large files, say
            raise UserError(f"{name} cannot be unpacked ({error}); pack the images again with another tool") from error
        except (zipfile.BadZipFile, zlib.error) as error:  # the others can be read
            content = Damaged(f"{name} is damaged ({error}); get the archive again")
        except DAMAGE as error:
            raise UserError(f"{name} is damaged ({error}); get the archive again") from error
        yield name, content


def _names(spec: dict[str, Any]) -> tuple[list[str], Beside]:
    beside = Beside(Counter(), {})
    return [member.name for member in _images(spec, beside)], beside


def _images(spec: dict[str, Any], beside: Beside | None = None) -> Iterator[Member]:
    """The images below the folder asked for; the whole archive is refused for one unsafe member.

    What lies beside them there is put into `beside`.
    """
    path, folder = spec["path"], PurePosixPath(spec["folder"] or "")
    try:
        for member in (_tarred if ".tar" in Path(path).suffixes or tarfile.is_tarfile(path) else _zipped)(path):
            name = PurePosixPath(member.name)
            if not member.is_regular or name.is_absolute() or ".." in name.parts or "\\" in member.name:
                raise UserError(
                    f"{path}: refused: {member.name!r} in it is a link, leads out of the archive or has a backslash; "
                    "pack the images again"
                )
            if member.folder or not name.is_relative_to(folder):
                continue
            reason = why_not(name)
            if reason and name.name != LISTING:
                if beside is not None:
                    beside.passed[reason] += 1
                continue
            if member.size > LARGEST_FILE:
                raise UserError(f"{path}: refused: {member.name!r} in it unpacks to {member.size:,} bytes")
            if not reason:
                yield member
            elif beside is not None:
                beside.listings[name] = member.read()
    except DAMAGE as error:
        reason = str(error).partition(":\n")[0]  # tarfile goes on with a line for each kind of tar
        raise UserError(f"{path}: not a readable zip or tar archive ({reason}); get it again") from error


def _zipped(path: str) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            is_regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
            yield Member(info.filename, info.file_size, is_regular, info.is_dir(), partial(archive.read, info))


def _tarred(path: str) -> Iterator[Member]:
    with tarfile.open(path) as archive:
        assert archive.fileobj is not None  # it is open
        for info in archive:
            is_regular = info.isfile() or info.isdir()
            yield Member(info.name, info.size, is_regular, info.isdir(), partial(_extracted, archive, info))
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it does not end as a tar does")
        while rest := archive.fileobj.read(2**20):
            if rest.strip(b"\0"):
                raise UserError(
                    f"{path}: refused: something follows its end, as another tar does after `cat a.tar b.tar`; unpack "
                    "both (`tar -xif`), and pack the images again"
                )


def _extracted(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    assert file is not None  # a plain file
    return file.read()


def _labels(spec: dict[str, Any], names: Sequence[str], beside: Beside) -> Labels | None:
    try:
        return find_labels([PurePosixPath(name) for name in names], "folder: ", beside.listings.get)
    except UserError as error:
        raise UserError(f"{spec['path']}: {error}") from error
