"""scikit-learn's handwritten digits: the test set of Alpaydin and Kaynak's at UCI (1998), 8x8, grey, CC BY 4.0."""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from etsdm.data.originals import Originals, as_they_are
from etsdm.data.sources.source import OneSize, Split

COUNTS = {"all": 1797, "train": 1501, "test": 296}
TEST_EVERY = 6


class Digits(OneSize):
    """scikit-learn's 1,797 handwritten digits, grey, labelled. Nothing is downloaded."""

    order: ClassVar[int] = 10
    outside: ClassVar[bool] = False
    where: ClassVar[frozenset[str]] = frozenset({"source", "bundle"})

    source: Literal["bundled"]
    bundle: Literal["digits"]
    split: Split = "all"
    """`test`: every sixth image of each class; `train`: the others. The same writers are in both."""
    resolution: Literal[8] = 8
    """The digits are 8x8 and nothing else."""
    channels: Literal[1] = 1
    """Grey."""


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of images, and that they are labelled."""
    return COUNTS[spec["split"]], True


def split_rows(labels: NDArray[np.int_], split: str) -> NDArray[np.intp]:
    """Rows of a split, in their order: `test` is every sixth image of each class, `train` the others, `all` both.

    The 13 who wrote the digits have written in both.
    """
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        test[np.flatnonzero(labels == label)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    return np.flatnonzero({"all": np.full_like(test, True), "train": ~test, "test": test}[split])


def load(spec: dict[str, Any]) -> Originals:
    """The split's images, their 17 grey levels spread over 0 to 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = split_rows(digits.target, spec["split"])
    pixels = np.round(digits.images[rows] * (255 / 16)).astype(np.uint8)[..., None]
    labels, classes = digits.target[rows].tolist(), [str(digit) for digit in range(10)]
    return Originals(pixels, as_they_are, len(pixels), labels, classes)
