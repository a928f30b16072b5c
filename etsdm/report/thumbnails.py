"""Images as the page holds them: small pictures in its text."""

import base64
import io

import numpy as np
from PIL import Image

from etsdm.data.archive import Pixels
from etsdm.data.mosaic import mosaic

LARGEST = 64
"""Pixels a side above which images are shrunk."""
LOSSLESS = 32
"""Pixels a side up to which a picture is a PNG; larger ones are JPEGs, a third of the size."""
QUALITY = 88
"""Of JPEGs."""


def picture(images: Pixels, rows: int, columns: int) -> str:
    """The first images (N, H, W, C) beside each other, as a data URI.

    Args:
        images: what is shown.
        rows: of the picture.
        columns: of the picture.
    """
    sheet = mosaic(_shrunk(images[: rows * columns]), rows, columns)
    kind = "png" if images.shape[1] <= LOSSLESS else "jpeg"
    buffer = io.BytesIO()
    image = Image.fromarray(sheet.squeeze(-1) if sheet.shape[-1] == 1 else sheet)
    image.save(buffer, kind, **({"quality": QUALITY} if kind == "jpeg" else {"optimize": True}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _shrunk(images: Pixels) -> Pixels:
    height, width = images.shape[1:3]
    factor = LARGEST / max(height, width)
    if factor >= 1:
        return images
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = [np.asarray(Image.fromarray(image.squeeze()).resize(size, Image.Resampling.BOX)) for image in images]
    stacked = np.stack(small)
    return stacked[..., None] if stacked.ndim == 3 else stacked
