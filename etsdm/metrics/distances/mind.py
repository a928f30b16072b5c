"""The Monge Inception Distance (Berthet et al. 2026): a sliced Wasserstein distance, on the scale of FID."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etsdm.metrics.distances.distance import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array

PROJECTIONS = 1000
SEED = 0
AT_ONCE = 50
"""Directions handled at a time."""


class Mind(Distance):
    """3 d times the mean of W_2^2 over projections to 1,000 random directions, which are the same for all sets.

    It compares whole distributions, not only their moments, and needs fewer images than a Frechet distance. Sets of
    unequal size are compared as they are, by their quantile functions: no image is left out.
    """

    order: ClassVar[int] = 30
    name: ClassVar[str] = "mind"
    short: ClassVar[str] = "mind"
    title: ClassVar[str] = "Monge Inception Distance"
    about: ClassVar[str] = "MIND: 3 d times the mean squared Wasserstein distance of random projections"
    judged: ClassVar[bool] = False

    @staticmethod
    def summarise(real: Array) -> dict[str, Array]:
        """The sorted projections (directions, M): 200 MB for 50,000 images."""
        return {"projections": projections(real)}

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The distance, whose time is linear in the number of references."""
        known = (summary or Mind.summarise(real))["projections"]
        return 3 * generated.shape[1] * mean_squared_w2(projections(generated), known)


def directions(length: int) -> NDArray[np.float32]:
    """Unit vectors (directions, d). NumPy never changes what `RandomState` draws."""
    vectors = np.random.RandomState(SEED).standard_normal((PROJECTIONS, length))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def projections(features: Array) -> NDArray[np.float32]:
    """Features (N, d) projected to each direction and sorted: (directions, N)."""
    rows, along = np.asarray(features, np.float32), directions(features.shape[1])
    projected = np.empty((PROJECTIONS, len(rows)), np.float32)
    for start in range(0, PROJECTIONS, AT_ONCE):
        projected[start : start + AT_ONCE] = np.sort(along[start : start + AT_ONCE] @ rows.T, axis=1)
    return projected


def mean_squared_w2(a: Array, b: Array) -> float:
    """Mean over rows of the squared 2-Wasserstein distance of sorted numbers (P, N) and (P, M).

    It is the integral of the squared difference of the two quantile functions, which are constant between the levels
    i / N and j / M.
    """
    n, m = a.shape[1], b.shape[1]
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # of the intervals, times N M
    weights = np.diff(ends, prepend=0) / (n * m)
    of_a, of_b = (ends - 1) // m, (ends - 1) // n
    parts = (slice(start, start + AT_ONCE) for start in range(0, len(a), AT_ONCE))
    return sum(float(((a[part][:, of_a] - b[part][:, of_b]) ** 2 @ weights).sum()) for part in parts) / len(a)
