"""scikit-learn's handwritten digits: the test set of Alpaydin and Kaynak's at UCI (1998), 8x8, grey, CC BY 4.0."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from etsdm.data.images import as_they_are
from etsdm.data.source import Source

COUNTS = {"all": 1797, "train": 1501, "test": 296}
TEST_EVERY = 6


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


def load(spec: dict[str, Any]) -> Source:
    """The split's images, their 17 grey levels spread over 0 to 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = split_rows(digits.target, spec["split"])
    pixels = np.round(digits.images[rows] * (255 / 16)).astype(np.uint8)[..., None]
    return Source(pixels, as_they_are, len(pixels), digits.target[rows].tolist(), [str(digit) for digit in range(10)])
