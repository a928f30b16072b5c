"""Moments of features, blocks of them, images drawn and resampled: what distances share.

Free of torch and clean-fid, whose imports take seconds.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Matrix = NDArray[np.float64]
KEY = 0
"""Of the bootstrap's random words: one for every set, so that all are resampled alike."""
BLOCK = 2048
"""Rows of features, and of a kernel matrix, handled at once."""


def moments(features: Array) -> tuple[Matrix, Matrix]:
    """Mean (d,) and unbiased covariance (d, d) of features (N, d), in float64, a block of rows at a time."""
    mean = features.mean(0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(features), BLOCK):
        centred = features[start : start + BLOCK] - mean
        covariance += centred.T @ centred
    return mean, covariance / (len(features) - 1)


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


def resampled(n: int, replicate: int) -> NDArray[np.int64]:
    """How often each of `n` images is drawn in `n` draws with replacement, (n,): a function of the arguments alone.

    The words are those of Philox4x64-10 (Salmon et al. 2011, section 3.3), which NumPy never changes. Their remainders
    by n are uniform within n / 2^64.
    """
    words = np.random.Philox(key=KEY, counter=[0, 0, replicate, n]).random_raw(n)
    return np.bincount((words % n).astype(np.int64), minlength=n)


def subset_numbers(n: int, size: int, draw: int) -> NDArray[np.int64]:
    """The numbers of `size` different images of `n`, (size,): a function of the arguments alone.

    They are in the order of random words, which are those of `resampled` with another counter.
    """
    words = np.random.Philox(key=KEY, counter=[0, 1, draw, n]).random_raw(n)
    return np.argsort(words, kind="stable")[:size]


def blocks(features: Array) -> list[NDArray[np.float32]]:
    """Features (N, d) as float32 blocks of rows."""
    return [np.asarray(features[start : start + BLOCK], np.float32) for start in range(0, len(features), BLOCK)]
