"""The Frechet distance extrapolated to infinitely many generated images (Chong and Forsyth 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etsdm.metrics.distances.distance import Distance
from etsdm.metrics.distances.frechet import Frechet, of_moments
from etsdm.metrics.moments import moments, subset_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array

SIZES = 15
SMALLEST = 5000
"""Images of the smallest subset, unless that is more than half of the images."""


class FrechetInfinity(Distance):
    """The intercept of the Frechet distance of N images, regressed on 1/N over 15 sizes N.

    A Frechet distance is too large by about c / N, where c depends on the model: equal N do not make models comparable.
    What remains is the bias of the reference's own number. The intercept can be negative where the sets are alike.
    """

    order: ClassVar[int] = 12
    name: ClassVar[str] = "frechet-infinity"
    short: ClassVar[str] = "fd-infinity"
    title: ClassVar[str] = "Frechet distance extrapolated to infinitely many images"
    about: ClassVar[str] = "Frechet distance extrapolated to infinitely many generated images"
    judged: ClassVar[bool] = False

    summarise = staticmethod(Frechet.summarise)

    @staticmethod
    def fewest(length: int) -> int:
        """Every subset needs more images than features, and the smallest has half of them."""
        return 2 * Frechet.fewest(length)

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The intercept. It takes as long as 15 Frechet distances."""
        known, subset_sizes = summary or Frechet.summarise(real), sizes(*generated.shape)
        subsets = (generated[subset_numbers(len(generated), size, draw)] for draw, size in enumerate(subset_sizes))
        distances = [of_moments(*moments(subset), known) for subset in subsets]
        return float(np.polyfit(1 / subset_sizes, distances, 1)[1])


def sizes(count: int, length: int) -> NDArray[np.int64]:
    """The sizes of subsets of `count` images with features of this length: 15, equally spaced, the last one `count`.

    The first is 5,000 as in the paper, or half of the images if that is less. It is larger than `length`.
    """
    first = max(min(SMALLEST, count // 2), Frechet.fewest(length))
    return np.linspace(first, count, SIZES).round().astype(np.int64)
