"""Square crops of six photographs that come inside scikit-learn and scikit-image; nothing is downloaded.

| photograph | package | by | licence |
|---|---|---|---|
| astronaut | scikit-image | NASA | public domain |
| chelsea, a cat | scikit-image | Stefan van der Walt | CC0 |
| china, a temple | scikit-learn | danielbuechele (Flickr) | CC BY 2.0 |
| coffee | scikit-image | Rachel Michetti, courtesy of Pikolo Espresso Bar | CC0 |
| flower, a dahlia | scikit-learn | vultilion (Flickr) | CC BY 2.0 |
| rocket | scikit-image | SpaceX | public domain |

The crops overlap, so 2,059 of them are far from 2,059 independent images: good for comparing methods and
resolutions on one machine, too little for a claim about photographs.
"""

from __future__ import annotations

from functools import cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np

from etsdm.data.originals import Originals
from etsdm.data.sources.source import Source, Split

if TYPE_CHECKING:
    from PIL import Image

    from etsdm.data.archive import Pixels

PHOTOS = {
    "astronaut": (512, 512),
    "chelsea": (300, 451),
    "china": (427, 640),
    "coffee": (400, 600),
    "flower": (427, 640),
    "rocket": (427, 640),
}
"""Height and width of each photograph. Their order is that of the labels."""

WINDOW = 128
"""Side of a crop before it is reduced."""

STRIDE = 20
"""Pixels from one crop to the next, along both axes."""


PhotoSize = Literal[8, 16, 32, 64, 128]


class Photos(Source):
    """2,059 overlapping square crops of six photographs from scikit-learn and scikit-image, labelled by photograph.

    Nothing is downloaded. The crops are the same, in the same order, at every resolution.
    """

    order: ClassVar[int] = 20
    outside: ClassVar[bool] = False
    where: ClassVar[frozenset[str]] = frozenset({"source", "bundle"})

    source: Literal["bundled"]
    bundle: Literal["photos"]
    split: Split = "all"
    """`test`: the crops within the left third of each photograph (359); `train`: those right of it (1,172). They share
    no pixel; the crops that lie across are in `all` only."""
    resolution: PhotoSize = 32
    """Side in pixels to which crops of 128 pixels are reduced by block means."""
    channels: Literal[3] = 3
    """RGB."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution in get_args(PhotoSize)


class Crop(NamedTuple):
    """Where a crop lies: rows `top` to `top + WINDOW` and columns `left` to `left + WINDOW` of a photograph."""

    photo: str
    top: int
    left: int


def _is_in(crop: Crop, split: str) -> bool:
    """The left third of each photograph is for testing, the rest for training; what straddles is in neither.

    The right thirds are mostly plain sky and background.
    """
    cut = PHOTOS[crop.photo][1] // 3
    return {"all": True, "train": crop.left >= cut, "test": crop.left + WINDOW <= cut}[split]


def crops(split: str) -> list[Crop]:
    """The crops of a split: `all`, or `train` and `test`, which share no pixel.

    They come mixed, in the order of their SHA-256, so that the first n are a fair part of all six photographs.
    """
    grid = [
        Crop(photo, top, left)
        for photo, (height, width) in PHOTOS.items()
        for top in range(0, height - WINDOW + 1, STRIDE)
        for left in range(0, width - WINDOW + 1, STRIDE)
    ]
    mixed = sorted(grid, key=lambda crop: sha256(f"{crop.photo} {crop.top} {crop.left}".encode()).digest())
    return [crop for crop in mixed if _is_in(crop, split)]


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of crops, and that they are labelled."""
    return len(crops(spec["split"])), True


def read_photo(name: str) -> Pixels:
    """One of `PHOTOS`, (H, W, 3)."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    photo: Pixels = load_sample_image(f"{name}.jpg") if name in ("china", "flower") else getattr(data, name)()
    return photo


def load(spec: dict[str, Any]) -> Originals:
    """The split's crops, the same ones in the same order at every resolution; a label says which photograph.

    A pixel is the mean of a block of `WINDOW / resolution` pixels squared (PIL's `reduce`), rounded to 8 bits.
    """
    places, classes = crops(spec["split"]), list(PHOTOS)
    cut = partial(_reduced, WINDOW // spec["resolution"])
    return Originals(places, cut, len(places), [classes.index(crop.photo) for crop in places], classes)


@cache
def _opened(name: str) -> Image.Image:
    from PIL import Image

    return Image.fromarray(read_photo(name))


def _reduced(factor: int, crop: Crop) -> Pixels:
    photo, top, left = crop
    return np.asarray(_opened(photo).crop((left, top, left + WINDOW, top + WINDOW)).reduce(factor))
