"""Many images as one picture."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from etsdm.data.archive import Pixels
from etsdm.runtime.files import atomic

VISIBLE = 64
"""Pixels a side to which smaller images are enlarged in a picture file."""


def mosaic(images: Pixels, rows: int, columns: int) -> Pixels:
    """The first images (N, H, W, C) as one image with thin white lines between; missing ones stay white."""
    _, height, width, channels = images.shape
    line = max(1, height // 16)
    sheet = np.full((rows * (height + line) - line, columns * (width + line) - line, channels), 255, dtype=np.uint8)
    for i, image in enumerate(images[: rows * columns]):
        y, x = (i // columns) * (height + line), (i % columns) * (width + line)
        sheet[y : y + height, x : x + width] = image
    return sheet


def write_mosaic(path: Path, images: Iterable[Pixels]) -> None:
    """Write images (H, W, C), C of 1 or 3, as the PNG `path`, atomically: row by row, about as many rows as columns.

    Images of less than 64 pixels a side are enlarged by a whole factor.
    """
    stacked = np.stack(list(images))
    columns = math.ceil(math.sqrt(len(stacked)))
    factor = math.ceil(VISIBLE / stacked.shape[1])
    enlarged = stacked.repeat(factor, axis=1).repeat(factor, axis=2)
    sheet = mosaic(enlarged, math.ceil(len(stacked) / columns), columns)
    with atomic(path) as temporary:
        Image.fromarray(sheet.squeeze(-1) if sheet.shape[-1] == 1 else sheet).save(temporary, "png")
