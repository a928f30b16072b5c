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
KEY = 0
"""Of the bootstrap's random words: one for every set, so that all are resampled alike."""
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
    return _frechet(*moments(generated), summary or summarise(real, with_kernel=False))


def bootstrap(generated: Array, summary: Summary, replicates: int) -> list[float]:
    """Frechet distances of `generated` (N, d), its images resampled, to one reference (Efron 1979, section 2).

    Replicate r draws N of the N images, with replacement; which ones depends on N and r alone. So image i counts as
    often in every set of N images, and sets whose images share their noise stay paired.

    The spread of the replicates is that of the distance over sample sets, and wider where the distance is little more
    than that of two sets from one law. Their mean is no estimate: replicates lie above the distance itself, as a
    resampled covariance is noisier.

    Args:
        generated: the features.
        summary: that of the reference.
        replicates: how many; their time is that of as many distances.
    """
    counts = (resampled(len(generated), replicate) for replicate in range(replicates))
    return [_frechet(*weighted_moments(generated, each), summary) for each in counts]


def resampled(n: int, replicate: int) -> NDArray[np.int64]:
    """How often each of `n` images is drawn in `n` draws with replacement, (n,): a function of the arguments alone.

    The words are those of Philox4x64-10 (Salmon et al. 2011, section 3.3), which NumPy never changes. Their remainders
    by n are uniform within n / 2^64.
    """
    words = np.random.Philox(key=KEY, counter=[0, 0, replicate, n]).random_raw(n)
    return np.bincount((words % n).astype(np.int64), minlength=n)


def weighted_moments(features: Array, counts: NDArray[np.int64]) -> tuple[Matrix, Matrix]:
    """`moments` of features (N, d) in which row i stands `counts[i]` times, of N rows in all; no row is copied."""
    weights, length = counts.astype(np.float64), features.shape[1]
    rows = [slice(start, start + BLOCK) for start in range(0, len(features), BLOCK)]
    mean, covariance = np.zeros(length), np.zeros((length, length))
    for block in rows:
        mean += weights[block] @ features[block].astype(np.float64) / weights.sum()
    for block in rows:
        scaled = (features[block] - mean) * np.sqrt(weights[block, None])
        covariance += scaled.T @ scaled
    return mean, covariance / (weights.sum() - 1)


def _frechet(mean: Matrix, covariance: Matrix, known: Summary) -> float:
    """The distance of a set with these moments to the reference with this summary."""
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
