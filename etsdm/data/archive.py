"""Image archives: an uncompressed zip of numbered PNGs, the same bytes for the same images on every machine."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from etsdm.errors import UserError
from etsdm.files import atomic

Pixels = NDArray[np.uint8]
EPOCH = (1980, 1, 1, 0, 0, 0)


def _png(image: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def write_images(path: Path, images: Iterable[Pixels]) -> int:
    """Write images (H, W, C), C of 1 or 3, to the archive `path` atomically; return how many."""
    count = 0
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for count, image in enumerate(images, start=1):
            archive.writestr(zipfile.ZipInfo(f"{count - 1:08d}.png", EPOCH), _png(image))
    return count


def _names(archive: zipfile.ZipFile) -> list[str]:
    return sorted(name for name in archive.namelist() if name.endswith(".png"))


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable image archive ({error}); make it again") from error


def _decoded(archive: zipfile.ZipFile, names: Sequence[str]) -> Pixels:
    stacked = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names])
    return stacked[..., None] if stacked.ndim == 3 else stacked


def count_images(path: Path) -> int:
    """Number of images in the archive.

    Raises:
        UserError: the archive is missing or damaged.
    """
    with _open(path) as archive:
        return len(_names(archive))


def iterate_images(path: Path, batch: int, limit: int | None = None) -> Iterator[Pixels]:
    """The first `limit` images (or all) of the archive, (B, H, W, C), `batch` at a time.

    Raises:
        UserError: the archive is missing or damaged.
    """
    with _open(path) as archive:
        names = _names(archive)[:limit]
        for start in range(0, len(names), batch):
            yield _decoded(archive, names[start : start + batch])


def pick_images(path: Path, numbers: Sequence[int]) -> Pixels:
    """The images with these numbers, counted from 0, (N, H, W, C); no other is decoded.

    Raises:
        UserError: the archive is missing or damaged.
    """
    with _open(path) as archive:
        names = _names(archive)
        return _decoded(archive, [names[number] for number in numbers])


def read_images(path: Path, limit: int | None = None) -> Pixels:
    """The first `limit` images (or all) of the archive, (N, H, W, C).

    Raises:
        UserError: the archive is missing or damaged.
    """
    return np.concatenate(list(iterate_images(path, 1024, limit)))
