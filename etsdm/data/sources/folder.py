"""A folder of images; sub-folders, if each image lies in one, are the labels."""

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any

from etsdm.data.images import SUFFIXES, decode, folder_labels, is_image
from etsdm.data.source import Source
from etsdm.errors import UserError


def list_folder(folder: Path) -> list[Path]:
    """Image files below `folder`, in one order on every machine; links are followed, but not in a circle."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        way = {here.resolve(), *here.resolve().parents}
        folders[:] = [name for name in folders if (here / name).resolve() not in way]
        found += [here / name for name in names if is_image((here / name).relative_to(folder))]
    return sorted(path for path in found if path.is_file())


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of images, and whether they have labels.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    folder = Path(spec["path"])
    if not folder.is_dir():
        raise UserError(
            f"datasets.{name}.path: no folder {spec['path']!r} (looked in {Path.cwd()}); give an existing one"
        )
    paths = list_folder(folder)
    if not paths:
        raise UserError(f"datasets.{name}.path: no images in {spec['path']!r}; allowed: {', '.join(sorted(SUFFIXES))}")
    return len(paths), _labels(folder, paths) is not None


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that the folder has changed: the names and sizes of its files. None: it is not there.

    Time stamps don't count, so a folder that was copied or touched leaves trained models alone.
    """
    folder = Path(spec["path"])
    if not folder.is_dir():
        return None
    listing = [(str(path.relative_to(folder)), path.stat().st_size) for path in list_folder(folder)]
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


def _labels(folder: Path, paths: list[Path]) -> tuple[list[int], list[str]] | None:
    return folder_labels([path.relative_to(folder) for path in paths])


def load(spec: dict[str, Any]) -> Source:
    """The folder's images in the order of their paths, resized if the specification says so.

    Raises:
        UserError: while the images are read: a corrupt one, or one of another size.
    """
    folder = Path(spec["path"])
    paths = list_folder(folder)
    labels, classes = _labels(folder, paths) or (None, None)
    return Source([(str(path), path) for path in paths], partial(decode, spec), len(paths), labels, classes)
