"""A NumPy .npz of images, read one after the other and never as a pickle.

It holds either `images` (or, as `numpy.savez` calls a nameless array, `arr_0`), uint8 (N, H, W) or (N, H, W, C), or
encoded images: `jpeg`, the files' bytes one after the other, in any format, and `offsets` (N + 1), where each begins.
In both forms there may be `labels` (N), `classes`, the names of the labels, and `split` (N), 0 for training and 1
for testing. Of other layouts three are read: `arr_1`, beside `arr_0`, as labels, as guided-diffusion saves samples;
MedMNIST's `train_images`, `train_labels`, and the same of `val` and `test`, one after the other where no split is asked
for; and `data` (N, 3 H H), ImageNet-32's rows of the red, the green and the blue plane, beside `labels`.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from etsdm.data.files import LARGEST_FILE, LARGEST_SIDE, existing_file, file_fingerprint
from etsdm.data.labels import MOST_CLASSES, are_numbers
from etsdm.data.originals import Originals
from etsdm.data.sources.source import OwnImages, Split
from etsdm.errors import UserError

if TYPE_CHECKING:
    from etsdm.data.archive import Pixels

SPLITS = {"train": 0, "test": 1}
PARTS = ("train_images", "val_images", "test_images")
"""MedMNIST's, in the order in which they are joined."""
LABELS = {"arr_0": "arr_1", **{part: part.replace("images", "labels") for part in PARTS}}
"""Where the labels of arrays are that are not called `images`."""
ROWS = "data"
"""ImageNet-32's name of images as rows: three planes, one after the other."""
MOST_NAMES = 8
"""Arrays that a message names."""
DAMAGE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError)


class Npz(OwnImages):
    """A NumPy .npz with `images`, uint8 (N, H, W) or (N, H, W, C), with encoded ones, `jpeg` and `offsets`, or with
    `data`, uint8 (N, 3 H H), the rows of ImageNet-32.

    `labels`, `classes` and `split` (0 for training, 1 for testing) are read if they are there.
    """

    order: ClassVar[int] = 80

    source: Literal["npz"]
    split: Split = "all"
    """`train` and `test` need the array `split`, or are those of MedMNIST's `train_images` and `test_images`; `all` are
    its training, validation and test images, in this order."""


class Contents(NamedTuple):
    """What stands in the file beside the images: the rows that are asked for, the offsets of encoded ones, labels."""

    rows: NDArray[np.bool_]
    offsets: NDArray[np.int64] | None
    labels: list[int] | None
    classes: list[str] | None


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of images, and whether they have labels.

    Raises:
        UserError: the file is not there, damaged, or holds no images in either form.
    """
    existing_file(name, Path(spec["path"]), "an .npz of images")
    with _open(spec["path"]) as archive:
        contents = _contents(archive, spec)
    if not contents.rows.any():
        raise UserError(f"datasets.{name}.split: no image of {spec['split']!r} in {spec['path']!r}")
    return int(contents.rows.sum()), contents.labels is not None


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that the file has changed. None: it is not there."""
    return file_fingerprint(Path(spec["path"]))


def load(spec: dict[str, Any]) -> Originals:
    """The images of the split, in their order.

    Raises:
        UserError: the file is damaged, or, while the images are read, one is corrupt or of another size.
    """
    from etsdm.data.images import convert, decode

    with _open(spec["path"]) as archive:
        rows, offsets, labels, classes = _contents(archive, spec)
    if offsets is None:
        return Originals(_arrays(spec, rows), partial(convert, spec), int(rows.sum()), labels, classes)
    return Originals(_encoded(spec, rows, offsets), partial(decode, spec), int(rows.sum()), labels, classes)


@contextmanager
def _open(path: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DAMAGE as error:
        raise UserError(f"{path}: not a readable .npz of images ({error}); make it again") from error


def _contents(archive: zipfile.ZipFile, spec: dict[str, Any]) -> Contents:
    offsets = _offsets(archive) if _holds(archive, "jpeg") else None
    keys = ["jpeg"] if offsets is not None else _images(archive, spec["split"])
    counts = [_shape(archive, key)[0] for key in keys] if offsets is None else [len(offsets) - 1]
    rows = np.full(sum(counts), True)
    if spec["split"] != "all" and keys != [f"{spec['split']}_images"]:
        rows = _array(archive, "split", len(rows)) == SPLITS[spec["split"]]
    label_parts = [_labels(archive, LABELS.get(key, "labels"), count) for key, count in zip(keys, counts, strict=True)]
    present = [part for part in label_parts if part is not None]
    numbers = np.concatenate(present) if len(present) == len(label_parts) else None
    labels = None if numbers is None else numbers[rows].tolist()
    classes = _array(archive, "classes").tolist() if _holds(archive, "classes") else None
    if labels is not None and not are_numbers(labels):
        raise ValueError(f"labels are not numbers from 0 to {MOST_CLASSES - 1:,}")
    if classes is not None and not all(type(name) is str for name in classes):
        raise ValueError("classes are not names")
    return Contents(rows, offsets, labels, classes)


def _holds(archive: zipfile.ZipFile, key: str) -> bool:
    return f"{key}.npy" in archive.namelist()


def _images(archive: zipfile.ZipFile, split: str) -> list[str]:
    """The arrays of images, one after the other."""
    for key in ("images", f"{split}_images", "arr_0", ROWS):
        if _holds(archive, key):
            return [key]
    if split == "all" and (parts := [key for key in PARTS if _holds(archive, key)]):
        return parts
    names = ", ".join(f"`{name.removesuffix('.npy')}`" for name in archive.namelist()[:MOST_NAMES])
    raise ValueError(
        f"it has neither `images` nor `jpeg`; it holds {names}; save the images again as `images`, uint8 (N, H, W, C)"
    )


def _labels(archive: zipfile.ZipFile, key: str, count: int) -> NDArray[Any] | None:
    """Labels (count); None where there are none, or several of an image."""
    if not _holds(archive, key):
        return None
    with archive.open(f"{key}.npy") as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    if array.ndim == 2 and len(array) == count and key != "labels":
        return array[:, 0] if array.shape[1] == 1 else None
    return _one_axis(array, key, count)


def _array(archive: zipfile.ZipFile, key: str, count: int | None = None) -> NDArray[Any]:
    """A whole array, of `count` values."""
    if not _holds(archive, key):
        raise ValueError(f"it has no `{key}`")
    with archive.open(f"{key}.npy") as file:
        return _one_axis(npy.read_array(file, allow_pickle=False), key, count)


def _one_axis(array: NDArray[Any], key: str, count: int | None) -> NDArray[Any]:
    if array.ndim != 1 or (count is not None and len(array) != count):
        raise ValueError(f"`{key}` has the shape {array.shape}" + (f" for {count} images" if count is not None else ""))
    return array


def _offsets(archive: zipfile.ZipFile) -> NDArray[np.int64]:
    offsets = _array(archive, "offsets").astype(np.int64, casting="safe")
    total = _shape(archive, "jpeg")[0]
    sizes = np.diff(offsets)
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != total or (sizes < 0).any():
        raise ValueError("`offsets` do not rise from 0 to the length of `jpeg`")
    if sizes.max(initial=0) > LARGEST_FILE:
        raise ValueError(f"refused: an image of {sizes.max():,} bytes")
    return offsets


def _shape(archive: zipfile.ZipFile, key: str) -> tuple[int, ...]:
    with archive.open(f"{key}.npy") as file:
        shape = _header(file, key)
    if archive.getinfo(f"{key}.npy").file_size < math.prod(shape):
        raise ValueError(f"`{key}` is cut off: it is shorter than its shape {shape}")
    return shape


def _header(file: IO[bytes], key: str) -> tuple[int, ...]:
    """Read the header of an array of bytes: (N,) encoded, (N, 3 H H) as rows, or (N, H, W) or (N, H, W, C) images."""
    readers: dict[tuple[int, int], Callable[..., Any]] = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
    }
    shape, fortran, dtype = readers[npy.read_magic(file)](file)
    if not all(type(length) is int and length >= 0 for length in shape):  # True is one, too
        raise ValueError(f"`{key}` has the shape {shape}")
    if key == ROWS:
        side = math.isqrt(shape[1] // 3) if len(shape) == 2 else 0
        whole, needed = len(shape) == 2 and 0 < 3 * side**2 == shape[1], "(N, 3 H H)"
    elif key == "jpeg":
        whole, needed = len(shape) == 1, "(N,)"
    else:
        whole = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
        needed = "(N, H, W) or (N, H, W, 1 or 3)"
    if fortran and dtype == np.uint8 and whole:
        raise ValueError(f"`{key}` is in Fortran's order; save numpy.ascontiguousarray({key}) instead")
    if dtype != np.uint8 or not whole:
        raise ValueError(f"`{key}` is {dtype} of the shape {shape}; uint8 {needed} is needed")
    if key != ROWS and max(shape[1:3], default=0) > LARGEST_SIDE:
        raise ValueError(f"refused: images of {shape[2]}x{shape[1]} pixels, more than {LARGEST_SIDE:,} a side")
    return tuple(shape)


def _arrays(spec: dict[str, Any], rows: NDArray[np.bool_]) -> Iterator[tuple[str, Pixels]]:
    numbered = enumerate(rows)
    with _open(spec["path"]) as archive:
        for key in _images(archive, spec["split"]):
            with archive.open(f"{key}.npy") as file:
                count, *shape = _header(file, key)
                size = math.prod(shape)
                if size > LARGEST_FILE:
                    raise ValueError(f"refused: images of {size:,} bytes")
                for number, take in islice(numbered, count):
                    content = file.read(size)
                    if take:
                        pixels = _pixels(np.frombuffer(content, np.uint8).reshape(shape))
                        yield f"{spec['path']}: image {number}", pixels


def _pixels(image: Pixels) -> Pixels:
    """An image (H, W) or (H, W, 3), from such a one, from (H, W, 1), or from a row of three planes."""
    if image.ndim == 1:
        side = math.isqrt(len(image) // 3)
        return image.reshape(3, side, side).transpose(1, 2, 0)
    return image[..., 0] if image.shape[2:] == (1,) else image


def _encoded(spec: dict[str, Any], rows: NDArray[np.bool_], offsets: NDArray[np.int64]) -> Iterator[tuple[str, bytes]]:
    with _open(spec["path"]) as archive, archive.open("jpeg.npy") as file:
        _header(file, "jpeg")
        for number, (take, size) in enumerate(zip(rows, np.diff(offsets).tolist(), strict=True)):
            content = file.read(size)
            if take:
                yield f"{spec['path']}: image {number}", content
