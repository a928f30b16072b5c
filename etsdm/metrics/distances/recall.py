"""How much of the data is generated (Kynkaanniemi et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from etsdm.metrics.distances._neighbours import Share, among_themselves, holding
from etsdm.metrics.distances.distance import Distance

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array

NEIGHBOURS = 3


class Recall(Share):
    """The share of references within a ball around a generated image that reaches its third nearest other one.

    Equation 2 of the paper with the sets exchanged, with its k = 3. Generated images far from everything have large
    balls and raise it, which `coverage` avoids.
    """

    order: ClassVar[int] = 50
    name: ClassVar[str] = "recall"
    short: ClassVar[str] = "recall"
    title: ClassVar[str] = "recall"
    about: ClassVar[str] = "Recall: share of the data set's images that are near a generated image"
    higher_is_better: ClassVar[bool] = True

    summarise = staticmethod(Distance.summarise)  # the radii are the generated images' own

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The share, whose time is quadratic in the number of generated images."""
        radii = among_themselves(generated)[:, NEIGHBOURS - 1]
        return float((holding(real, generated, radii) > 0).mean())
