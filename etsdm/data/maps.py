"""The images of an archive as a memory map, decoded once: a training reads each of them many times, in any order."""

import glob
import math
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from etsdm.data.archive import Pixels, count_images, iterate_images
from etsdm.errors import UserError
from etsdm.runtime.batches import images_within
from etsdm.runtime.files import atomic
from etsdm.runtime.locks import locked
from etsdm.runtime.workers import cpus, ordered

PART_VALUES = 2**23
"""Pixel values that are decoded at a time."""


def map_images(archive: Path, digest: str) -> Pixels:
    """All images of an archive, uint8 (N, H, W, C), which the system reads from disk as they are asked for.

    They lie decoded in a hidden file beside the archive, which is whole or absent and has the archive's digest in its
    name: that of another archive is never taken for it. The first process makes it, the others wait.

    Args:
        archive: the image archive.
        digest: its SHA-256.

    Raises:
        UserError: the archive is missing or damaged, or its images are of unlike sizes; or see `locks.locked`.
    """
    file = archive.with_name(f".{archive.name}.{digest[:16]}.npy")
    with locked(archive.with_name(f".{archive.name}.lock")):
        pixels = _read(file, count_images(archive))
        if pixels is None:
            for other in archive.parent.glob(f".{glob.escape(archive.name)}.*.npy"):
                other.unlink()
            _write(file, archive)
            pixels = np.load(file, mmap_mode="r", allow_pickle=False)
    return np.asarray(pixels)


def _read(file: Path, count: int) -> Pixels | None:
    """The memory map; None if there is none, or a damaged one."""
    try:
        pixels: Pixels = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if len(pixels) == count else None


def _write(file: Path, archive: Path) -> None:
    count, image = count_images(archive), next(iterate_images(archive, 1))[0]
    size = images_within(PART_VALUES, image.shape)
    workers = min(cpus(), math.ceil(count / size))
    with atomic(file) as temporary, temporary.open("wb") as out:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *image.shape)}
        npy.write_array_header_1_0(out, header)
        for part in ordered(partial(_part, archive, size), range(0, count, size), workers):
            if part.shape[1:] != image.shape:
                raise UserError(f"{archive}: its images are of unlike sizes; make it again")
            out.write(part.data)


def _part(archive: Path, size: int, start: int) -> Pixels:
    return next(iterate_images(archive, size, start + size, start))
