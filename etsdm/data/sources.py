"""Where images come from. `check_source` is quick and runs before any job; `load_source` reads the pixels."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from etsdm.data.archive import Pixels
from etsdm.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
DIGITS_COUNT = 1797


@dataclass(frozen=True)
class Source:
    """Images in a fixed order, with their labels where they have any."""

    images: Iterator[Pixels]
    count: int
    labels: list[int] | None
    classes: list[str] | None


def list_folder(folder: Path) -> list[Path]:
    """Image files below `folder`, in one order on every machine."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def check_source(name: str, spec: dict[str, Any], at_least: int = 1, labelled: bool = False) -> None:
    """Refuse a source that is missing, empty or too small, without reading pixels.

    Args:
        name: the data set's name in the configuration.
        spec: its entry there.
        at_least: fewest images the metrics need.
        labelled: whether an encoder needs labels.

    Raises:
        UserError: naming the data set, the place looked and what to do.
    """
    count = DIGITS_COUNT
    if spec["source"] == "folder":
        folder = Path(spec["path"])
        if not folder.is_dir():
            raise UserError(
                f"datasets.{name}.path: no folder {spec['path']!r} (looked in {Path.cwd()}); give an existing one"
            )
        count = len(list_folder(folder))
        if count == 0:
            raise UserError(
                f"datasets.{name}.path: no images in {spec['path']!r}; allowed: {', '.join(sorted(SUFFIXES))}"
            )
        if labelled and _labels(folder, list_folder(folder)) is None:
            raise UserError(
                f"datasets.{name}.path: no labels in {spec['path']!r}, and the encoder 'classifier' needs them; put "
                "the images of each class into a sub-folder of its own, or use the encoder 'inception'"
            )
    if count < at_least:
        raise UserError(
            f"datasets.{name}: {count} images are too few; the metrics in evaluation need at least {at_least} "
            "(a Frechet distance needs more images than features: ask for distances: [kernel], or add images)"
        )


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that a folder has changed, without reading it: the names and sizes of its files.

    Time stamps don't count, so a folder that was copied or touched leaves trained models alone.
    """
    if spec["source"] != "folder":
        return None
    folder = Path(spec["path"])
    listing = [(str(path.relative_to(folder)), path.stat().st_size) for path in list_folder(folder)]
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


def _digits() -> Source:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return Source(iter(pixels), len(pixels), digits.target.tolist(), [str(digit) for digit in range(10)])


def _read(path: Path, resolution: int, mode: str) -> Pixels:
    try:
        with Image.open(path) as image:
            size = image.size
            pixels = np.asarray(image.convert(mode))
    except Exception as error:
        raise UserError(f"{path}: not a readable image ({error}); mend or remove it") from error
    if size != (resolution, resolution):
        raise UserError(
            f"{path}: is {size[0]}x{size[1]} pixels, but the data set's resolution is {resolution}; "
            "all images must be square and of that size"
        )
    return pixels.reshape(resolution, resolution, -1)


def _labels(folder: Path, paths: list[Path]) -> tuple[list[int], list[str]] | None:
    """Label of each image, and the classes, if each image lies in one of several sub-folders."""
    if any(path.parent == folder for path in paths):
        return None
    names = [path.relative_to(folder).parts[0] for path in paths]
    classes = sorted(set(names))
    return ([classes.index(name) for name in names], classes) if len(classes) > 1 else None


def _folder(spec: dict[str, Any]) -> Source:
    folder = Path(spec["path"])
    paths = list_folder(folder)
    mode = {1: "L", 3: "RGB"}[spec["channels"]]
    labels, classes = _labels(folder, paths) or (None, None)
    return Source((_read(path, spec["resolution"], mode) for path in paths), len(paths), labels, classes)


def load_source(spec: dict[str, Any]) -> Source:
    """Open the source a data set's specification names.

    Raises:
        UserError: while the images are read: a corrupt one, or one of another size.
    """
    return _digits() if spec["source"] == "bundled" else _folder(spec)
