"""The kernel distance of KID (Binkowski et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etsdm.metrics.distances.distance import Distance
from etsdm.metrics.moments import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array


class Kernel(Distance):
    """The unbiased squared MMD with the kernel (x.y / d + 1)^3, over every pair of images.

    KID as usually computed averages it over 100 random subsets of 1,000 images: the same in expectation, with a noise
    of its own added. It can be negative where the sets are alike.
    """

    order: ClassVar[int] = 20
    name: ClassVar[str] = "kernel"
    short: ClassVar[str] = "kd"
    title: ClassVar[str] = "kernel distance"
    judged: ClassVar[bool] = False
    usual: ClassVar[bool] = True

    @staticmethod
    def summarise(real: Array) -> dict[str, Array]:
        """The sum of the kernel within the reference: time is quadratic in the number of images."""
        return {"within": np.asarray(kernel_within(real))}

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The distance, whose time is linear in the number of references."""
        n, m = len(generated), len(real)
        within = float((summary or Kernel.summarise(real))["within"])
        between = sum(kernel_sum(a, b) for a in blocks(generated) for b in blocks(real))
        return kernel_within(generated) / (n * (n - 1)) + within / (m * (m - 1)) - 2 * between / (n * m)


def kernel_within(features: Array) -> float:
    """Sum of the kernel over all ordered pairs of different images in features (N, d)."""
    parts = blocks(features)
    pairs = sum(kernel_sum(a, b) for i, a in enumerate(parts) for b in parts[:i])
    return 2 * pairs + sum(kernel_sum(a, a) - _diagonal(a) for a in parts)


def kernel_sum(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Sum of (x.y / d + 1)^3 over all pairs: products in float32, whose rounding averages out, the sum in float64."""
    return _cubed_sum(a @ b.T / np.float32(a.shape[1]) + np.float32(1))


def _diagonal(a: NDArray[np.float32]) -> float:
    """Sum of the kernel of each image with itself."""
    return _cubed_sum((a * a).sum(1) / np.float32(a.shape[1]) + np.float32(1))


def _cubed_sum(x: NDArray[np.float32]) -> float:
    return float((x * x * x).sum(dtype=np.float64))  # ten times as fast as x**3
