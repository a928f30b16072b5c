"""How much of the data is covered by generated images (Naeem et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from etsdm.metrics.distances._neighbours import Share, nearest

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array

NEIGHBOURS = 5


class Coverage(Share):
    """The share of references that have a generated image nearer than their fifth nearest other reference.

    Equation 4 of the paper, with its k = 5. It grows with the number of generated images.
    """

    order: ClassVar[int] = 70
    name: ClassVar[str] = "coverage"
    short: ClassVar[str] = "coverage"
    title: ClassVar[str] = "coverage"
    about: ClassVar[str] = "Coverage: share of the data set's images with a generated one among their nearest"
    higher_is_better: ClassVar[bool] = True

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The share."""
        radii = (summary or Coverage.summarise(real))["neighbours"][:, NEIGHBOURS - 1]
        return float((nearest(real, generated, 1)[1][:, 0] <= radii).mean())
