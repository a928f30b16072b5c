"""Distances between two sets of features. Kept free of torch and clean-fid, whose imports take seconds.

A set is compared with the same reference as all others, so what belongs to the reference alone is a `Summary`, made
once. What is left for each set is linear in the number of references.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Matrix = NDArray[np.float64]
BLOCK = 2048
"""Rows of features, and of a kernel matrix, handled at once."""


@dataclass(frozen=True)
class Summary:
    """What distances need to know of a reference (M, d) besides its features.

    Attributes:
        mean: (d,).
        root: the square root of the covariance, (d, d).
        within: sum of the kernel over all ordered pairs of different images; NaN where nobody needs it.
    """

    mean: Matrix
    root: Matrix
    within: float


def summarise(features: Array, with_kernel: bool = True) -> Summary:
    """The summary of a reference's features (M, d): time is cubic in d, and quadratic in M for the kernel's part."""
    mean, covariance = moments(features)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return Summary(mean, root, kernel_within(features) if with_kernel else math.nan)


def moments(features: Array) -> tuple[Matrix, Matrix]:
    """Mean (d,) and unbiased covariance (d, d) of features (N, d), in float64, a block of rows at a time."""
    mean = features.mean(0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(features), BLOCK):
        centred = features[start : start + BLOCK] - mean
        covariance += centred.T @ centred
    return mean, covariance / (len(features) - 1)


def frechet(generated: Array, real: Array, summary: Summary | None = None) -> float:
    """Frechet distance between Gaussians fitted to features (N, d) and (M, d), unbiased covariances.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (Heusel et al. 2017, eq. 6). S_a S_b has the
    eigenvalues of the symmetric S_b^(1/2) S_a S_b^(1/2), which gives clean-fid's number in less time.

    Args:
        generated, real: the features.
        summary: that of `real`, where it is there already.
    """
    known = summary or summarise(real, with_kernel=False)
    mean, covariance = moments(generated)
    overlap = np.sqrt(np.linalg.eigvalsh(known.root @ covariance @ known.root).clip(0)).sum()
    offset = mean - known.mean
    return float(offset @ offset + np.trace(covariance) + (known.root**2).sum() - 2 * overlap)


def kernel(generated: Array, real: Array, summary: Summary | None = None) -> float:
    """Kernel distance of KID (Binkowski et al. 2018) between features (N, d) and (M, d).

    The unbiased squared MMD with the kernel (x.y / d + 1)^3, over every pair of images. KID as usually
    computed averages it over 100 random subsets of 1,000 images: the same in expectation, with a noise of its
    own added. It can be negative where the sets are alike.

    Args:
        generated, real: the features.
        summary: that of `real`, where it is there already.
    """
    n, m = len(generated), len(real)
    within = kernel_within(real) if summary is None or math.isnan(summary.within) else summary.within
    between = sum(kernel_sum(a, b) for a in blocks(generated) for b in blocks(real))
    return kernel_within(generated) / (n * (n - 1)) + within / (m * (m - 1)) - 2 * between / (n * m)


def kernel_within(features: Array) -> float:
    """Sum of the kernel over all ordered pairs of different images in features (N, d)."""
    parts = blocks(features)
    pairs = sum(kernel_sum(a, b) for i, a in enumerate(parts) for b in parts[:i])
    return 2 * pairs + sum(kernel_sum(a, a) - _diagonal(a) for a in parts)


def blocks(features: Array) -> list[NDArray[np.float32]]:
    """Features (N, d) as float32 blocks of rows."""
    return [np.asarray(features[start : start + BLOCK], np.float32) for start in range(0, len(features), BLOCK)]


def kernel_sum(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Sum of (x.y / d + 1)^3 over all pairs: products in float32, whose rounding averages out, the sum in float64."""
    return _cubed_sum(a @ b.T / np.float32(a.shape[1]) + np.float32(1))


def _diagonal(a: NDArray[np.float32]) -> float:
    """Sum of the kernel of each image with itself."""
    return _cubed_sum((a * a).sum(1) / np.float32(a.shape[1]) + np.float32(1))


def _cubed_sum(x: NDArray[np.float32]) -> float:
    return float((x * x * x).sum(dtype=np.float64))  # ten times as fast as x**3
