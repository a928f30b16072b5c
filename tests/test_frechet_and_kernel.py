"""Frechet's and the kernel's distance against clean-fid, closed forms and definitions."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from cleanfid import fid
from numpy.lib.npyio import NpzFile

from etsdm.errors import UserError
from etsdm.metrics import moments
from etsdm.metrics.distances import kernel as kernel_module
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.distances.kernel import Kernel
from etsdm.metrics.reference import load_summary, save_summary
from etsdm.metrics.score import summary_of
from etsdm.metrics.store import load_features, save_features
from etsdm.runtime.files import sha256

frechet, kernel = Frechet.between, Kernel.between


def gaussian_with(mean: np.ndarray, covariance: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n points whose sample mean and covariance are exactly those given."""
    raw = np.random.default_rng(seed).standard_normal((n, len(mean)))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_features_are_read_from_disk_once(tmp_path, monkeypatch):
    """Those of a reference are hundreds of megabytes."""
    save_features(tmp_path / "features.npz", np.ones((3, 4), np.float32), "digest")
    reads, read = [], NpzFile.__getitem__

    def counted(file, name):
        reads.append(name)
        return read(file, name)

    monkeypatch.setattr(NpzFile, "__getitem__", counted)
    assert load_features(tmp_path / "features.npz").features.shape == (3, 4)
    assert sorted(reads) == ["count", "digest", "features"]


def test_frechet_of_commuting_gaussians():
    """With diagonal covariances it is |mu_a - mu_b|^2 + |std_a - std_b|^2."""
    stds = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    means = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 0.0])
    a, b = (gaussian_with(m, np.diag(s**2), 50, k) for k, (m, s) in enumerate(zip(means, stds, strict=True)))
    expected = ((means[0] - means[1]) ** 2).sum() + ((stds[0] - stds[1]) ** 2).sum()
    assert frechet(a, b) == pytest.approx(expected, rel=1e-10)


def test_frechet_of_plane_gaussians():
    """For 2x2 matrices tr sqrt(M) = sqrt(tr M + 2 sqrt(det M))."""
    first, second = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
    a, b = gaussian_with(np.zeros(2), first, 30, 0), gaussian_with(np.ones(2), second, 40, 1)
    product = first @ second
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    assert frechet(a, b) == pytest.approx(2 + np.trace(first) + np.trace(second) - 2 * root, rel=1e-10)


def test_frechet_is_that_of_clean_fid():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((64, 64)) / 8
    a = (rng.standard_normal((500, 64)) @ mixing).astype(np.float32)
    b = (rng.standard_normal((400, 64)) @ mixing * 1.3 + 0.2).astype(np.float32)
    theirs = fid.fid_from_feats(a.astype(np.float64), b.astype(np.float64))
    assert frechet(a, b) == pytest.approx(theirs, rel=1e-9)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-9)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_kernel_is_its_definition():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 5)), rng.standard_normal((9, 5)) + 0.3

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return (float(x @ y) / 5 + 1) ** 3

    within_a = sum(k(a[i], a[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    within_b = sum(k(b[i], b[j]) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    between = sum(k(x, y) for x in a for y in b) / (7 * 9)
    assert kernel(a, b) == pytest.approx(within_a + within_b - 2 * between, rel=1e-6)


def test_rounding_averages_out_of_the_kernel():
    """Features as Inception's: 2,048 values from 0 to some units, of 600 and 700 images; against float64."""
    rng = np.random.default_rng(0)
    a, b = (np.maximum(0, rng.normal(0.3, 0.5, (n, 2048))).astype(np.float32) for n in (600, 700))

    def k(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x.astype(np.float64) @ y.T.astype(np.float64) / 2048 + 1) ** 3

    within = ((k(x, x).sum() - k(x, x).trace()) / (len(x) * (len(x) - 1)) for x in (a, b))
    assert kernel(a, b) == pytest.approx(sum(within) - 2 * k(a, b).mean(), abs=1e-7)


def test_kernel_does_not_depend_on_the_block_and_agrees_with_clean_fid(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((300, 16)), rng.standard_normal((300, 16)) + 0.5
    whole = kernel(a, b)
    monkeypatch.setattr(moments, "BLOCK", 77)
    assert kernel(a, b) == pytest.approx(whole, abs=1e-7)
    # One subset of all the images leaves clean-fid nothing to draw, but it counts the pairs (i, i) of the two
    # sets as any others, as this does.
    assert fid.kernel_distance(a, b, num_subsets=1, max_subset_size=300) == pytest.approx(whole, abs=1e-7)


def test_a_reference_is_summarised_once_and_gives_the_same_distances(tmp_path, monkeypatch):
    """With the summary at hand, no pair of references is compared again."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, 16)).astype(np.float32) for n in (100, 5000))
    expected = frechet(a, b), kernel(a, b)
    save_features(tmp_path / "b.npz", b, "digest")
    save_summary(tmp_path / "summary.npz", summary_of(b, ["frechet", "kernel"]), tmp_path / "b.npz")
    summary = load_summary(tmp_path / "summary.npz", sha256(tmp_path / "b.npz"))
    rows = []
    kernel_sum = kernel_module.kernel_sum
    monkeypatch.setattr(kernel_module, "kernel_sum", lambda x, y: rows.append(len(x) * len(y)) or kernel_sum(x, y))
    assert (frechet(a, b, summary), kernel(a, b, summary)) == expected
    assert sum(rows) == 100 * 5000 + 100 * 100
    with pytest.raises(UserError, match="the summary of other features"):
        load_summary(tmp_path / "summary.npz", "another digest")
    with pytest.raises(UserError, match=r"summary\.npz: has no 'median': it is of other distances"):
        summary["median"]


def test_moments_do_not_depend_on_the_block(monkeypatch):
    features = np.random.default_rng(0).gamma(0.5, size=(1000, 8)).astype(np.float32)
    monkeypatch.setattr(moments, "BLOCK", 77)
    mean, covariance = moments.moments(features)
    np.testing.assert_allclose(mean, features.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-10, atol=1e-15)


def test_distances_import_neither_torch_nor_clean_fid():
    script = "import sys, etsdm.metrics.score; assert not {'torch', 'cleanfid'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
