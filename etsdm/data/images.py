"""What the sources of a user's own images share: decoding, cropping and resizing, labels from names of folders."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from etsdm.data.archive import Pixels
from etsdm.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
MODES = {1: "L", 3: "RGB"}
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}
TAIL = 2**16

Spec = dict[str, Any]


def is_image(path: PurePath) -> bool:
    """Whether the name is that of an image."""
    return path.suffix.lower() in SUFFIXES


def folder_labels(paths: Sequence[PurePath]) -> tuple[list[int], list[str]] | None:
    """Label of each image, and the classes, if each of these relative paths begins with one of several folders."""
    if any(len(path.parts) == 1 for path in paths):
        return None
    names = [path.parts[0] for path in paths]
    classes = sorted(set(names))
    numbers = {name: number for number, name in enumerate(classes)}
    return ([numbers[name] for name in names], classes) if len(classes) > 1 else None


def decode(spec: Spec, item: tuple[str, Path | bytes]) -> Pixels:
    """The image in a file, or in its content, of the size and channels that a data set's specification says.

    Args:
        spec: "resolution", "channels" and "resize".
        item: name of the image for messages, and the image.

    Raises:
        UserError: it is no readable image, or of another size.
    """
    name, content = item
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as opened:
            upright = ImageOps.exif_transpose(opened) if spec["resize"] else opened
            image = upright.convert(MODES[spec["channels"]])
    except UnidentifiedImageError as error:
        raise UserError(f"{name}: not a readable image (no known format); mend or remove it") from error
    except Exception as error:
        raise UserError(f"{name}: not a readable image ({error}); mend or remove it") from error
    return _fit(image, name, spec)


def convert(spec: Spec, item: tuple[str, Pixels]) -> Pixels:
    """The same from pixels (H, W) or (H, W, C)."""
    name, pixels = item
    return _fit(Image.fromarray(pixels).convert(MODES[spec["channels"]]), name, spec)


def as_they_are(pixels: Pixels) -> Pixels:
    """The same image."""
    return pixels


def _fit(image: Image.Image, name: str, spec: Spec) -> Pixels:
    resolution, resize = spec["resolution"], spec["resize"]
    if resize and min(image.size) >= resolution:
        image = _square(image, resolution, resize)
    if image.size != (resolution, resolution):
        raise _size_error(name, image.size, spec)
    return np.asarray(image).reshape(resolution, resolution, -1)


def _square(image: Image.Image, resolution: int, resize: str) -> Image.Image:
    """The largest square in the middle, brought to `resolution` by PIL's filter `resize`, which is antialiased."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((resolution, resolution), FILTERS[resize])


def _size_error(name: str, size: tuple[int, int], spec: Spec) -> UserError:
    found = f"{name}: is {size[0]}x{size[1]} pixels, but the data set's resolution is {spec['resolution']}"
    if spec["resize"]:
        return UserError(f"{found} and images are never enlarged; remove it, or give a lower resolution")
    return UserError(f"{found}; all images must be square and of that size, or give resize: lanczos")


def existing_file(name: str, path: Path, what: str) -> None:
    """Refuse a data set whose file is not there.

    Raises:
        UserError: naming the data set, the place looked and `what` should be there.
    """
    if not path.is_file():
        raise UserError(f"datasets.{name}.path: no file {str(path)!r} (looked in {Path.cwd()}); give {what}")


def file_fingerprint(path: Path) -> str | None:
    """What tells that a file has changed, without reading it all: its size, beginning and end. None: it is not there.

    The end holds the checksums of a zip and of a gzip, the beginning the last transaction of an LMDB.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        size, head = path.stat().st_size, file.read(TAIL)
        file.seek(max(0, size - TAIL))
        return hashlib.sha256(repr((size, head, file.read())).encode()).hexdigest()[:16]
