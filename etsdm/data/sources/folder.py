"""A folder of images; sub-folders, if each image lies in one, are the labels."""

import errno
import hashlib
import os
import stat
from collections import Counter
from functools import partial
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal, NoReturn

from etsdm.data.files import SUFFIXES, is_hidden, passed_over, why_not
from etsdm.data.labels import LISTING, Labels, find_labels, listings
from etsdm.data.originals import Originals, Overview
from etsdm.data.sources.source import OwnImages
from etsdm.errors import UserError
from etsdm.runtime.files import sha256


class Folder(OwnImages):
    """A folder of images. If each lies in a sub-folder, those are the labels, unless `dataset.json` lists labels."""

    order: ClassVar[int] = 50

    source: Literal["folder"]


def list_folder(folder: Path) -> list[Path]:
    """Image files below `folder`, in one order on every machine; links are followed, but not in a circle.

    Raises:
        UserError: a folder, or a file's kind, cannot be read.
    """
    return _listed(folder)[0]


def _listed(folder: Path) -> tuple[list[Path], Counter[str]]:
    """The image files, and how much is passed over for which reason: a hidden folder counts as one."""
    files, passed = [], Counter[str]()
    for place, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        directory = Path(place)
        way = {directory.resolve(), *directory.resolve().parents}
        for name in [*folders]:
            if reason := _why_no_folder(directory / name, way):
                folders.remove(name)
                passed[reason] += 1
        for name in names:
            if reason := _why_no_file(directory / name, folder):
                passed[reason] += name != LISTING
            else:
                files.append(directory / name)
    return sorted(files), +passed  # those above 0


def _unreadable(error: OSError) -> NoReturn:
    raise UserError(
        f"{error.filename}: cannot be read ({error.strerror}), so images may be missing; allow it (`chmod`), or "
        "move it out of the data set"
    ) from error


def _why_no_folder(place: Path, way: set[Path]) -> str | None:
    if is_hidden(place.name):
        return "hidden"
    return "link to a folder above it" if place.resolve() in way else None


def _why_no_file(path: Path, folder: Path) -> str | None:
    reason = why_not(path.relative_to(folder))
    if reason == "hidden":
        return reason
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return "dangling link"
        _unreadable(error)
    return reason if is_regular else "pipe, socket or device"


def inspect(name: str, spec: dict[str, Any]) -> Overview:
    """Number of images, whether they have labels, and what is passed over.

    Raises:
        UserError: there is no such folder, no image in it, several parts of a data set, or what cannot be read.
    """
    folder = Path(spec["path"])
    if not folder.is_dir():
        raise UserError(
            f"datasets.{name}.path: no folder {spec['path']!r} (looked in {Path.cwd()}); give an existing one"
        )
    paths, passed = _listed(folder)
    remarks = passed_over(spec["path"], passed)
    if not paths:
        nothing = remarks or (f"allowed: {', '.join(sorted(SUFFIXES))}",)
        raise UserError(f"datasets.{name}.path: no images in {spec['path']!r}; {nothing[0]}")
    return Overview(len(paths), _labels(folder, paths) is not None, remarks)


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that the folder has changed: names, sizes and times of its images, and listed labels.

    None: it is not there, or cannot be read.
    """
    folder = Path(spec["path"])
    if not folder.is_dir():
        return None
    try:
        paths = list_folder(folder)
    except UserError:
        return None
    listing: list[tuple[object, ...]] = [(str(path.relative_to(folder)), *_version(path)) for path in paths]
    lists = [place for place in listings([path.relative_to(folder) for path in paths]) if (folder / place).is_file()]
    listing += [(str(place), sha256(folder / place)) for place in lists]
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _labels(folder: Path, paths: list[Path]) -> Labels | None:
    def content(place: PurePath) -> bytes | None:
        try:
            return (folder / place).read_bytes() if (folder / place).is_file() else None
        except OSError as error:
            _unreadable(error)

    try:
        return find_labels([path.relative_to(folder) for path in paths], f"path: {folder}/", content)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error


def load(spec: dict[str, Any]) -> Originals:
    """The folder's images in the order of their paths, resized if the specification says so.

    Raises:
        UserError: while the images are read: a corrupt one, or one of another size.
    """
    from etsdm.data.images import decode

    folder = Path(spec["path"])
    paths = list_folder(folder)
    labels, classes = _labels(folder, paths) or (None, None)
    return Originals([(str(path), path) for path in paths], partial(decode, spec), len(paths), labels, classes)
