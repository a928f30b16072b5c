"""How many generated images are nearly copies of the data (Alaa et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from etsdm.metrics.distances._neighbours import Share, nearest

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array


class Memorisation(Share):
    """The share of generated images nearer to their nearest reference than any other reference is to that one.

    It is 1 - authenticity (Alaa et al. 2022, section 3.2). The reference must be what the model was trained on. Copies
    give 1. New images of the law give the share of references that are nearest to their own nearest reference. Less
    than that is no merit: bad images are far from all others.
    """

    order: ClassVar[int] = 80
    name: ClassVar[str] = "memorisation"
    short: ClassVar[str] = "memorisation"
    title: ClassVar[str] = "memorisation"
    about: ClassVar[str] = (
        "Memorisation: share of generated images nearer to an image of the data set than all others there"
    )

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The share."""
        of_neighbours = (summary or Memorisation.summarise(real))["neighbours"][:, 0]
        numbers, squares = nearest(generated, real, 1)
        return float((squares[:, 0] <= of_neighbours[numbers[:, 0]]).mean())
