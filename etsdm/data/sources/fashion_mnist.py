"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): the four gzipped IDX files of its authors, in a folder.

An IDX file is a magic number that says type and number of axes, the length of each axis, and the values (LeCun's
description of MNIST); all numbers are big-endian.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field

from etsdm.data.area import area_mean
from etsdm.data.files import existing_file, file_fingerprint
from etsdm.data.originals import Originals
from etsdm.data.sources.source import Source, Split
from etsdm.errors import UserError

if TYPE_CHECKING:
    from etsdm.data.archive import Pixels

CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
PARTS = {"all": ("train", "t10k"), "train": ("train",), "test": ("t10k",)}
IMAGES, LABELS = "{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz"
SIDE = 28
UNSIGNED_BYTES = 8
"""IDX's code for them."""
DAMAGE = (OSError, EOFError, ValueError, zlib.error)


Size = Literal[8, 16, 28]


class FashionMnist(Source):
    """Fashion-MNIST as its authors pack it: 60,000 images for training and 10,000 for testing, labelled."""

    order: ClassVar[int] = 100

    source: Literal["fashion-mnist"]
    path: str = Field(min_length=1)
    """The folder of the four .gz files."""
    split: Split = "all"
    """Which of its images."""
    resolution: Size = 28
    """Side in pixels. Below 28 each pixel is a mean over its area."""
    channels: Literal[1] = 1
    """Grey."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution in get_args(Size)


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of images, and that they are labelled.

    Raises:
        UserError: a file is not there, or is not what its name says.
    """
    for file in _files(spec):
        existing_file(name, file, "the folder of Fashion-MNIST's four .gz files")
    return sum(_count(Path(spec["path"]) / IMAGES.format(part)) for part in PARTS[spec["split"]]), True


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that a file has changed. None: one is not there."""
    fingerprints = [file_fingerprint(file) for file in _files(spec)]
    return None if None in fingerprints else "-".join(map(str, fingerprints))


def load(spec: dict[str, Any]) -> Originals:
    """The split's images in their order, those for training first, at the resolution asked for.

    Raises:
        UserError: a file is damaged, at once or while the images are read.
    """
    folder, parts = Path(spec["path"]), PARTS[spec["split"]]
    labels = [label for part in parts for label in _labels(folder / LABELS.format(part))]
    count = sum(_count(folder / IMAGES.format(part)) for part in parts)
    if len(labels) != count:
        raise UserError(f"{folder}: {len(labels)} labels for {count} images; get the files again")
    images = chain.from_iterable(_images(folder / IMAGES.format(part)) for part in parts)
    return Originals(images, partial(area_mean, spec["resolution"]), count, labels, CLASSES)


def _files(spec: dict[str, Any]) -> list[Path]:
    return [Path(spec["path"]) / name.format(part) for part in PARTS[spec["split"]] for name in (IMAGES, LABELS)]


@contextmanager
def _open(path: Path, axes: int) -> Iterator[tuple[gzip.GzipFile, list[int]]]:
    """The values of an IDX file, and its lengths."""
    try:
        with gzip.open(path) as file:
            if file.read(4) != bytes([0, 0, UNSIGNED_BYTES, axes]):
                raise ValueError(f"no IDX file of bytes with {axes} axes")
            yield file, np.frombuffer(file.read(4 * axes), ">u4", axes).tolist()
    except DAMAGE as error:
        raise UserError(f"{path}: not a readable file of Fashion-MNIST ({error}); get it again") from error


def _count(path: Path) -> int:
    with _open(path, 3) as (_, (count, *sides)):
        if sides != [SIDE, SIDE]:
            raise ValueError(f"its images are {sides}")
    return count


def _images(path: Path) -> Iterator[Pixels]:
    with _open(path, 3) as (file, (count, *_)):
        for _ in range(count):
            yield np.frombuffer(file.read(SIDE**2), np.uint8).reshape(SIDE, SIDE, 1)
        _check_end(file)


def _labels(path: Path) -> list[int]:
    with _open(path, 1) as (file, (count,)):
        labels = np.frombuffer(file.read(count), np.uint8, count)
        _check_end(file)
        if labels.max(initial=0) >= len(CLASSES):
            raise ValueError(f"a label is {labels.max()}")
    return labels.tolist()


def _check_end(file: gzip.GzipFile) -> None:
    """The checksum of a gzip is compared where its end is read."""
    if file.read(1):
        raise ValueError("it is longer than it says")
