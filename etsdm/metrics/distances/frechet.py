"""The Frechet distance between Gaussians fitted to features, which is FID for those of Inception."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etsdm.metrics.distances.distance import Distance
from etsdm.metrics.moments import moments, resampled, weighted_moments

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array, Matrix


class Frechet(Distance):
    """|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (Heusel et al. 2017, eq. 6), unbiased covariances."""

    order: ClassVar[int] = 10
    name: ClassVar[str] = "frechet"
    short: ClassVar[str] = "fd"
    title: ClassVar[str] = "Frechet distance"
    usual: ClassVar[bool] = True

    @staticmethod
    def fewest(length: int) -> int:
        """A covariance needs more images than features."""
        return length + 1

    @staticmethod
    def summarise(real: Array) -> dict[str, Array]:
        """The mean (d,) and the square root of the covariance (d, d): time is cubic in d."""
        mean, covariance = moments(real)
        values, vectors = np.linalg.eigh(covariance)
        return {"mean": mean, "root": (vectors * np.sqrt(values.clip(0))) @ vectors.T}

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The distance; see `of_moments`."""
        return of_moments(*moments(generated), summary or Frechet.summarise(real))

    @staticmethod
    def bootstrap(generated: Array, real: Array, summary: Summary, replicates: int) -> list[float]:
        """Distances of `generated` (N, d), its images resampled, to one reference (Efron 1979, section 2).

        Replicate r draws N of the N images, with replacement; which ones depends on N and r alone. So image i counts
        as often in every set of N images, and sets whose images share their noise stay paired.

        The spread of the replicates is that of the distance over sample sets. It is wider where the distance is little
        more than that of two sets from one law. Their mean is no estimate: replicates lie above the distance itself,
        as a resampled covariance is noisier. Each takes as long as the distance.
        """
        counts = (resampled(len(generated), replicate) for replicate in range(replicates))
        return [of_moments(*weighted_moments(generated, each), summary) for each in counts]


def of_moments(mean: Matrix, covariance: Matrix, summary: Summary) -> float:
    """The distance of a set with these moments to the reference with this summary.

    S_a S_b has the eigenvalues of the symmetric S_b^(1/2) S_a S_b^(1/2), which gives clean-fid's number in less time.
    """
    root = summary["root"]
    overlap = np.sqrt(np.linalg.eigvalsh(root @ covariance @ root).clip(0)).sum()
    offset = mean - summary["mean"]
    return float(offset @ offset + np.trace(covariance) + (root**2).sum() - 2 * overlap)
