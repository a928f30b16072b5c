"""How much of a set of images is black or white: noise that is clipped is, and so is a diverged sample set."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from etsdm.data.archive import Pixels


class Saturation:
    """The share of pixel values at 0 or 255, counted batch by batch."""

    def __init__(self) -> None:
        self._values = self._saturated = 0

    def count(self, images: Pixels) -> None:
        """Count the values of some images, of any shape."""
        self._values += images.size
        self._saturated += int(np.count_nonzero(images == 0) + np.count_nonzero(images == 255))

    def counted(self, batches: Iterable[Pixels]) -> Iterator[Pixels]:
        """The batches as they are, each counted on its way."""
        for images in batches:
            self.count(images)
            yield images

    @property
    def share(self) -> float:
        """From 0 to 1; NaN where nothing was counted."""
        return self._saturated / self._values if self._values else math.nan
