"""Image archives: an uncompressed zip of numbered PNGs, the same bytes for the same images on every machine."""

import io
import re
import stat
import zipfile
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from etsdm.data.files import LARGEST_FILE, LARGEST_SIDE
from etsdm.errors import UserError
from etsdm.runtime.files import atomic
from etsdm.runtime.workers import cpus

Pixels = NDArray[np.uint8]
EPOCH = (1980, 1, 1, 0, 0, 0)
PLAIN = re.compile(r"[^/\\]+\.png")
AHEAD = 2
"""Batches that threads decode before they are asked for."""
CHUNK = 16
"""Images a thread decodes at a time."""
UNSHARED: AbstractContextManager[object] = nullcontext()
"""Instead of a lock on an archive that one thread reads."""


def encode_png(image: Pixels) -> bytes:
    """An image (H, W, C), C of 1 or 3, as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def write_images(path: Path, images: Iterable[Pixels]) -> int:
    """Write images (H, W, C), C of 1 or 3, to the archive `path` atomically; return how many."""
    return write_pngs(path, map(encode_png, images))


def write_pngs(path: Path, pngs: Iterable[bytes]) -> int:
    """The same from images that are encoded already."""
    count = 0
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for count, png in enumerate(pngs, start=1):
            archive.writestr(zipfile.ZipInfo(f"{count - 1:08d}.png", EPOCH), png)
    return count


def _names(archive: zipfile.ZipFile) -> list[str]:
    return sorted(archive.namelist())


def _open(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable image archive ({error}); make it again") from error
    for member in archive.infolist():
        if not PLAIN.fullmatch(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{path}: refused: {member.filename!r} in it is no image, is a link, or lies in a folder")
        if member.file_size > LARGEST_FILE:
            raise UserError(f"{path}: refused: {member.filename!r} in it unpacks to {member.file_size:,} bytes")
    return archive


def _image(archive: zipfile.ZipFile, name: str, lock: AbstractContextManager[object]) -> Pixels:
    try:
        with lock:
            png = archive.read(name)
        with Image.open(io.BytesIO(png)) as image:
            if max(image.size) > LARGEST_SIDE:
                raise UserError(f"{archive.filename}: refused: {name} is {image.width}x{image.height} pixels")
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{archive.filename}: {name} is damaged ({error}); make the archive again") from error


def _decoded(archive: zipfile.ZipFile, names: Sequence[str], lock: AbstractContextManager[object] = UNSHARED) -> Pixels:
    stacked = np.stack([_image(archive, name, lock) for name in names])
    return stacked[..., None] if stacked.ndim == 3 else stacked


def count_images(path: Path) -> int:
    """Number of images in the archive.

    Raises:
        UserError: the archive is missing or damaged.
    """
    with _open(path) as archive:
        return len(_names(archive))


def iterate_images(path: Path, batch: int, limit: int | None = None, start: int = 0) -> Iterator[Pixels]:
    """Images number `start` to `limit` (or to the last) of the archive, (B, H, W, C), `batch` at a time.

    Raises:
        UserError: the archive is missing or damaged.
    """
    with _open(path) as archive:
        names = _names(archive)[start:limit]
        for first in range(0, len(names), batch):
            yield _decoded(archive, names[first : first + batch])


def iterate_ahead(path: Path, batches: Iterable[range]) -> Generator[Pixels, None, None]:
    """The images whose numbers each batch holds, (B, H, W, C), decoded in threads while others are worked on.

    Pillow lets other threads run while it unpacks an image. Close the iterator if it is not exhausted.

    Raises:
        UserError: the archive is missing or damaged.
    """
    with _open(path) as archive:
        names, lock, pool = _names(archive), Lock(), ThreadPoolExecutor(cpus())
        waiting: deque[list[Future[Pixels]]] = deque()
        try:
            for batch in batches:
                chunks = (names[n.start : n.stop] for n in pieces(batch, CHUNK))
                waiting.append([pool.submit(_decoded, archive, chunk, lock) for chunk in chunks])
                if len(waiting) > AHEAD:
                    yield _joined(waiting.popleft())
            while waiting:
                yield _joined(waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def pieces(numbers: range, size: int) -> list[range]:
    """A range cut into ranges of `size` numbers, the last of which may be shorter."""
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


def _joined(chunks: Iterable[Future[Pixels]]) -> Pixels:
    return np.concatenate([chunk.result() for chunk in chunks])


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
