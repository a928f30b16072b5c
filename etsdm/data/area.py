"""Reduction by area averaging, to a side that need not divide the original one."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from etsdm.data.archive import Pixels


@lru_cache(maxsize=64)
def _parts(side: int, reduced: int) -> Any:
    """Parts of each of `side` pixels, cut into `reduced`, in each of `reduced` pixels of the same length together.

    A pixel that lies across a border has parts in both. Every row of the sparse matrix (reduced, side) sums to `side`.
    """
    from scipy.sparse import coo_array

    part = np.arange(side * reduced)
    return coo_array((np.ones(len(part), np.int64), (part // side, part // reduced)), (reduced, side)).tocsr()


def area_mean(reduced: int, pixels: Pixels) -> Pixels:
    """A square image (H, H, C) at `reduced` pixels: a pixel is the mean over its area, rounded to 8 bits, half to even.

    PIL's BOX filter takes whole pixels alone, so it does this only for a side that is divided.
    """
    side, _, channels = pixels.shape
    parts = _parts(side, reduced)
    rows = (parts @ pixels.reshape(side, -1)).reshape(reduced, side, channels)
    sums = (parts @ rows.swapaxes(0, 1).reshape(side, -1)).reshape(reduced, reduced, channels).swapaxes(0, 1)
    return np.rint(sums / side**2).astype(np.uint8)
