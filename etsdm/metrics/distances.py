"""Distances between two sets of features. Kept free of torch and clean-fid, whose imports take seconds."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
BLOCK = 2048
"""Rows of a kernel matrix held at once."""


def frechet(features_a: Array, features_b: Array) -> float:
    """Frechet distance between Gaussians fitted to features (N, d) and (M, d), unbiased covariances.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (Heusel et al. 2017, eq. 6). S_a S_b has the
    eigenvalues of the symmetric S_a^(1/2) S_b S_a^(1/2), which gives clean-fid's number in less time.
    """
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    covariance_a, covariance_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(covariance_a)
    root_a = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root_a @ covariance_b @ root_a).clip(0)).sum()
    offset = a.mean(0) - b.mean(0)
    return float(offset @ offset + np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap)


def kernel(features_a: Array, features_b: Array) -> float:
    """Kernel distance of KID (Binkowski et al. 2018) between features (N, d) and (M, d).

    The unbiased squared MMD with the kernel (x.y / d + 1)^3, over every pair of images. KID as usually
    computed averages it over 100 random subsets of 1,000 images: the same in expectation, with a noise of its
    own added. It can be negative where the sets are alike.
    """
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    n, m = len(a), len(b)
    within_a = (_kernel_sum(a, a) - _diagonal_sum(a)) / (n * (n - 1))
    within_b = (_kernel_sum(b, b) - _diagonal_sum(b)) / (m * (m - 1))
    return float(within_a + within_b - 2 * _kernel_sum(a, b) / (n * m))


def _kernel_sum(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return sum(
        _cubed_sum(a[i : i + BLOCK] @ b[j : j + BLOCK].T / a.shape[1] + 1)
        for i in range(0, len(a), BLOCK)
        for j in range(0, len(b), BLOCK)
    )


def _diagonal_sum(a: NDArray[np.float64]) -> float:
    return _cubed_sum((a * a).sum(1) / a.shape[1] + 1)


def _cubed_sum(x: NDArray[np.float64]) -> float:
    return float((x * x * x).sum())  # ten times as fast as x**3
