"""A folder of images; sub-folders, if each image lies in one, are the labels."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from etsdm.data.archive import Pixels
from etsdm.data.source import Source
from etsdm.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
MODES = {1: "L", 3: "RGB"}
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}


def list_folder(folder: Path) -> list[Path]:
    """Image files below `folder`, in one order on every machine."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


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
    """Label of each image, and the classes, if each image lies in one of several sub-folders."""
    if any(path.parent == folder for path in paths):
        return None
    names = [path.relative_to(folder).parts[0] for path in paths]
    classes = sorted(set(names))
    return ([classes.index(name) for name in names], classes) if len(classes) > 1 else None


def _square(image: Image.Image, resolution: int, resize: str) -> Image.Image:
    """The largest square in the middle, brought to `resolution` by PIL's filter `resize`, which is antialiased."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((resolution, resolution), FILTERS[resize])


def _size_error(path: Path, size: tuple[int, int], spec: dict[str, Any]) -> UserError:
    found = f"{path}: is {size[0]}x{size[1]} pixels, but the data set's resolution is {spec['resolution']}"
    if spec["resize"]:
        return UserError(f"{found} and images are never enlarged; remove it, or give a lower resolution")
    return UserError(f"{found}; all images must be square and of that size, or give resize: lanczos")


def _read(path: Path, spec: dict[str, Any]) -> Pixels:
    resolution, resize = spec["resolution"], spec["resize"]
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened) if resize else opened
            image = upright.convert(MODES[spec["channels"]])
    except Exception as error:
        raise UserError(f"{path}: not a readable image ({error}); mend or remove it") from error
    if resize and min(image.size) >= resolution:
        image = _square(image, resolution, resize)
    if image.size != (resolution, resolution):
        raise _size_error(path, image.size, spec)
    return np.asarray(image).reshape(resolution, resolution, -1)


def load(spec: dict[str, Any]) -> Source:
    """The folder's images in the order of their paths, resized if the specification says so.

    Raises:
        UserError: while the images are read: a corrupt one, or one of another size.
    """
    folder = Path(spec["path"])
    paths = list_folder(folder)
    labels, classes = _labels(folder, paths) or (None, None)
    return Source((_read(path, spec) for path in paths), len(paths), labels, classes)
