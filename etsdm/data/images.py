"""What the sources of a user's own images share: decoding, cropping and resizing. It loads Pillow."""

import io
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from etsdm.data.archive import Pixels
from etsdm.data.area import area_mean
from etsdm.data.files import LARGEST_FILE, LARGEST_SIDE
from etsdm.data.originals import Damaged, Remark
from etsdm.errors import UserError

FORMATS = {"AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"}
"""Pillow's names of the formats that are read; of others, one is a program that Ghostscript runs."""
MODES = {1: "L", 3: "RGB"}
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}
ORIENTATION = 0x0112
"""EXIF's tag for it."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings an image of an orientation upright (CIPA DC-008, "Exif 2.3", 4.6.4 A)."""

Spec = dict[str, Any]

PngImagePlugin.MAX_TEXT_CHUNK = LARGEST_FILE  # Pillow refuses a PNG for 1 MiB of metadata, which editors exceed


def decode(spec: Spec, item: tuple[str, Path | bytes | Damaged]) -> Pixels:
    """The image in a file, or in its content, of the size and channels that a data set's specification says.

    A `Remark` is warned of where it is not taken as it asks to be.

    Args:
        spec: "resolution", "channels" and "resize".
        item: name of the image for messages, and the image, or why there is none.

    Raises:
        Damaged: it is no readable image.
        UserError: its file cannot be read, or it is of another size or too large.
    """
    name, content = item
    if isinstance(content, Damaged):
        raise content
    try:
        with _open(content) as opened:
            if max(opened.size) > LARGEST_SIDE:
                raise UserError(
                    f"{name}: refused: {opened.width}x{opened.height} pixels, more than {LARGEST_SIDE:,} a side; "
                    "reduce it, or remove it"
                )
            if opened.format != "MPO" and getattr(opened, "is_animated", False):  # cameras put previews into an MPO
                warnings.warn(Remark("taken by their first frame, of several", name), stacklevel=2)
            opened.load()
            image = _in_eight_bits(_upright(opened, name)).convert(MODES[spec["channels"]])
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise Damaged(f"{name}: not a readable image (no known format); fix or remove it") from error
    except Exception as error:
        machine = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None)
        kind = UserError if machine else Damaged
        raise kind(f"{name}: not a readable image ({error}); fix or remove it") from error
    return _fit(image, name, spec)


def convert(spec: Spec, item: tuple[str, Pixels]) -> Pixels:
    """The same from pixels (H, W) or (H, W, C)."""
    name, pixels = item
    return _fit(Image.fromarray(pixels).convert(MODES[spec["channels"]]), name, spec)


@cache
def _formats() -> list[str]:
    Image.init()
    return sorted(FORMATS & {*Image.OPEN})


def _open(content: Path | bytes) -> Image.Image:
    return Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=_formats())


def _upright(image: Image.Image, name: str) -> Image.Image:
    """The image turned as its EXIF data say; as it lies, with a remark, where they cannot be read."""
    turn, broken = None, False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if "exif" in image.info:  # Pillow forgets an error that it met before
                Image.Exif().load(image.info["exif"])
            turn = image.getexif().get(ORIENTATION)
        except Exception:
            broken = True
    if broken or not isinstance(turn, int | None) or (caught and turn is None):
        warnings.warn(Remark("taken as they lie, because their EXIF data are broken", name), stacklevel=2)
    return image.transpose(TURNS[turn]) if turn in TURNS else image


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """The image in eight bits a value, on white where it is transparent; Pillow would cut off the former's highlights.

    Raises:
        ValueError: its values have no known range.
    """
    if image.mode in ("I", "F"):
        raise ValueError("its values have 32 bits, whose range is unknown; convert it to 8 or 16")
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image


def _fit(image: Image.Image, name: str, spec: Spec) -> Pixels:
    resolution, resize = spec["resolution"], spec["resize"]
    if resize and min(image.size) >= resolution:
        image = _square(image, resolution, resize)
    if image.size != (resolution, resolution):
        raise _size_error(name, image.size, spec)
    return np.asarray(image).reshape(resolution, resolution, -1)


def _square(image: Image.Image, resolution: int, resize: str) -> Image.Image:
    """The largest square in the middle, brought to `resolution` by PIL's filter `resize`, which is antialiased.

    PIL's BOX is no mean over areas where `resolution` does not divide the side; there `area_mean` is.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    if resize == "box" and side % resolution:
        reduced = area_mean(resolution, np.asarray(square).reshape(side, side, -1))
        return Image.fromarray(reduced[..., 0] if image.mode == "L" else reduced)
    return square.resize((resolution, resolution), FILTERS[resize])


def _size_error(name: str, size: tuple[int, int], spec: Spec) -> UserError:
    problem = f"{name}: is {size[0]}x{size[1]} pixels, but the data set's resolution is {spec['resolution']}"
    if spec["resize"]:
        return UserError(f"{problem} and images are never enlarged; remove it, or give a lower resolution")
    return UserError(f"{problem}; all images must be square and of that size, or give resize: lanczos")


def size_of(content: Path | bytes | Pixels) -> tuple[int, int]:
    """Width and height of an image that `decode` or `convert` has taken."""
    if isinstance(content, np.ndarray):
        return content.shape[1], content.shape[0]
    with _open(content) as opened:
        return opened.size
