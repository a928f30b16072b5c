"""How densely the data surround the generated images (Naeem et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from etsdm.metrics.distances._neighbours import Share, holding

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array

NEIGHBOURS = 5


class Density(Share):
    """The mean number of balls that hold a generated image, divided by 5.

    Equation 3 of the paper, with its k = 5: a ball is around a reference and reaches its fifth nearest other reference.
    For two sets of one law the mean is about 1; it can be more. A reference far from all others counts little.
    """

    order: ClassVar[int] = 60
    name: ClassVar[str] = "density"
    short: ClassVar[str] = "density"
    title: ClassVar[str] = "density"
    about: ClassVar[str] = (
        "Density: how many images of the data set are near a generated one, 1 for images of their law"
    )
    higher_is_better: ClassVar[bool] = True

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The mean."""
        radii = (summary or Density.summarise(real))["neighbours"][:, NEIGHBOURS - 1]
        return float(holding(generated, real, radii).mean() / NEIGHBOURS)
