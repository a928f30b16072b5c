"""How many generated images look like the data (Kynkaanniemi et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from etsdm.metrics.distances._neighbours import Share, holding

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array

NEIGHBOURS = 3


class Precision(Share):
    """The share of generated images within a ball around a reference that reaches its third nearest other reference.

    Equation 2 of the paper, with its k = 3.
    """

    order: ClassVar[int] = 40
    name: ClassVar[str] = "precision"
    short: ClassVar[str] = "precision"
    title: ClassVar[str] = "precision"
    about: ClassVar[str] = "Precision: share of generated images that are near an image of the data set"
    higher_is_better: ClassVar[bool] = True

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The share."""
        radii = (summary or Precision.summarise(real))["neighbours"][:, NEIGHBOURS - 1]
        return float((holding(generated, real, radii) > 0).mean())
