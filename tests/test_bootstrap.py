"""The bootstrap of distances: its spread, its pairs, and weights for copied rows."""

from __future__ import annotations

import numpy as np
import pytest

from etsdm.metrics import moments
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.distances.kernel import Kernel

frechet, kernel = Frechet.between, Kernel.between


def fresh_sets(count: int) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Fresh sets of 500 points of one Gaussian, and the summary of another law's points."""
    mixing = np.random.default_rng(0).standard_normal((8, 8)) / np.sqrt(8)
    sets = [np.random.default_rng(100 + i).normal(0.3, 1.2, (500, 8)) @ mixing.T for i in range(count)]
    return Frechet.summarise(np.random.default_rng(1).standard_normal((20_000, 8)) @ mixing.T), sets


def test_the_bootstrap_spreads_as_fresh_sample_sets_do():
    """The standard deviation of 300 fresh sets' distances, known within 4 %, beside the mean one of 10 bootstraps."""
    summary, sets = fresh_sets(300)
    fresh = np.std([frechet(a, a, summary) for a in sets], ddof=1)
    resampled = np.mean([np.std(Frechet.bootstrap(a, a, summary, 50), ddof=1) for a in sets[:10]])
    assert resampled == pytest.approx(fresh, rel=0.2)


def test_the_bootstrap_of_two_methods_is_paired():
    """A method that moves every point alike changes the distance by a ratio that spreads less than the distance."""
    summary, sets = fresh_sets(300)
    fresh = np.std([np.log(frechet(a + 0.1, a, summary) / frechet(a, a, summary)) for a in sets], ddof=1)
    spreads = []
    for a in sets[:10]:
        first, other = (np.log(Frechet.bootstrap(points, points, summary, 50)) for points in (a, a + 0.1))
        spreads.append(np.std(other - first, ddof=1))
        assert spreads[-1] < np.std(first, ddof=1) / 2
    assert np.mean(spreads) == pytest.approx(fresh, rel=0.2)


def test_weighted_moments_are_those_of_the_copied_rows(monkeypatch):
    features = np.random.default_rng(0).gamma(0.5, size=(1000, 8)).astype(np.float32)
    counts = moments.resampled(1000, 3)
    copied = np.repeat(features, counts, axis=0).astype(np.float64)
    monkeypatch.setattr(moments, "BLOCK", 77)
    mean, covariance = moments.weighted_moments(features, counts)
    np.testing.assert_allclose(mean, copied.mean(0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(copied, rowvar=False), rtol=0, atol=1e-12)


def test_a_replicate_is_the_distance_of_the_copied_rows():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, 16)).astype(np.float32) for n in (200, 300))
    summary = Frechet.summarise(b)
    copied = [np.repeat(a, moments.resampled(200, r), axis=0) for r in range(3)]
    assert Frechet.bootstrap(a, b, summary, 3) == pytest.approx([frechet(c, b) for c in copied], rel=1e-9)


def test_what_is_resampled_depends_on_the_count_and_the_replicate_alone():
    """So image i counts as often in every set of as many images, and one more replicate leaves the others alone."""
    drawn = {(n, r): tuple(moments.resampled(n, r)) for n in (500, 501) for r in range(4)}
    assert drawn == {key: tuple(moments.resampled(*key)) for key in drawn}
    assert len(set(drawn.values())) == len(drawn)
    assert all(len(counts) == sum(counts) == n for (n, _), counts in drawn.items())
    twice = np.mean([moments.resampled(2000, r) for r in range(100)], axis=0)
    assert twice.var() == pytest.approx(1 / 100, rel=0.2), "each image is drawn once on average, with variance 1"
    assert moments.resampled(5, 0).tolist() == [2, 1, 2, 0, 0], "another version of NumPy draws the same"
