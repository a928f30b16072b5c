"""mean-gap: the Euclidean distance between the means of the features."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etsdm.metrics.distances.distance import Distance

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array


class MeanGap(Distance):
    """|mu_a - mu_b|."""

    order: ClassVar[int] = 30
    name: ClassVar[str] = "mean-gap"
    short: ClassVar[str] = "gap"
    title: ClassVar[str] = "distance of the means"
    judged: ClassVar[bool] = False

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """It needs no summary of the reference."""
        return float(np.linalg.norm(generated.mean(0) - real.mean(0)))
