"""Reduction by area averaging, to a side that need not divide the original one."""

import numpy as np
from numpy.typing import NDArray

from etsdm.data.archive import Pixels


def weights(side: int, reduced: int) -> NDArray[np.float64]:
    """Share of each of `side` pixels in each of `reduced` pixels of the same length together: (reduced, side).

    A pixel that lies across a border counts in both, by its parts. Every row sums to 1.
    """
    return np.eye(side).repeat(reduced, 0).reshape(reduced, side, side).mean(1)


def area_mean(reduced: int, pixels: Pixels) -> Pixels:
    """A square image (H, H, C) at `reduced` pixels: a pixel is the mean over its area, rounded to 8 bits.

    PIL's BOX filter takes whole pixels alone, so it does this only for a side that is divided.
    """
    shares = weights(len(pixels), reduced)
    return np.rint(np.einsum("ai,bj,ijc->abc", shares, shares, pixels, optimize=True)).astype(np.uint8)
