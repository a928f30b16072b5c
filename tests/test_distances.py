"""Distances beside Frechet's and the kernel's, each against a formula of its own that compares every pair of images."""

from __future__ import annotations

import numpy as np
import pytest
from cleanfid import fid
from scipy import stats

from etsdm.metrics import moments
from etsdm.metrics.distances import DISTANCES, _neighbours, kernel_subsets, mind
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.distances.frechet_infinity import FrechetInfinity, sizes
from etsdm.metrics.distances.kernel import Kernel
from etsdm.metrics.evaluation import Evaluation
from etsdm.metrics.moments import subset_numbers
from etsdm.metrics.score import summary_of


def two_sets(n: int = 300, m: int = 260, length: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, length) and (m, length) of two laws that overlap."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((length, length)) / np.sqrt(length)
    generated, real = rng.normal(0.2, 1.1, (n, length)) @ mixing, rng.standard_normal((m, length)) @ mixing
    return generated.astype(np.float32), real.astype(np.float32)


def distance(name: str, generated: np.ndarray, real: np.ndarray) -> float:
    """The named distance, which must be the same with the summary that a workflow makes once."""
    value = DISTANCES[name].between(generated, real)
    assert DISTANCES[name].between(generated, real, DISTANCES[name].summarise(real)) == value
    return value


# Images that are drawn


def test_images_are_drawn_without_replacement_by_the_arguments_alone():
    """So a subset is the same on every machine, and one of another draw or count is another."""
    subsets = {(n, draw): tuple(subset_numbers(n, 20, draw)) for n in (50, 51) for draw in range(4)}
    assert len(set(subsets.values())) == len(subsets)
    assert all(len(set(numbers)) == 20 and max(numbers) < n for (n, _), numbers in subsets.items())
    assert sorted(subset_numbers(9, 9, 0)) == list(range(9))
    assert subset_numbers(9, 4, 0).tolist() == [4, 8, 7, 0], "another version of NumPy draws the same"
    counts = np.bincount(np.concatenate([subset_numbers(50, 10, draw) for draw in range(2000)]))
    assert stats.chisquare(counts).pvalue > 0.01, "each image is drawn equally often"


# Frechet distance of infinitely many images


@pytest.mark.parametrize(
    ("count", "length", "first"), [(50_000, 2048, 5000), (10_000, 2048, 5000), (6000, 2048, 3000), (130, 64, 65)]
)
def test_sizes_are_equally_spaced_up_to_all_images(count, length, first):
    assert sizes(count, length).tolist() == np.linspace(first, count, 15).round().tolist()


def test_frechet_infinity_is_the_intercept_of_clean_fids_distances():
    generated, real = two_sets()
    chosen = sizes(300, 16)
    assert (chosen[0], chosen[-1]) == (150, 300)
    subsets = [generated[subset_numbers(300, size, draw)].astype(np.float64) for draw, size in enumerate(chosen)]
    distances = [fid.fid_from_feats(subset, real.astype(np.float64)) for subset in subsets]
    expected = stats.linregress(1 / chosen, distances).intercept
    assert distance("frechet-infinity", generated, real) == pytest.approx(expected, rel=1e-6)


def test_frechet_infinity_has_less_bias_than_the_distance_itself():
    """Of sets of one law and a long reference the distance should be 0: its mean over ten sets of 500 images."""
    rng = np.random.default_rng(0)
    summary = Frechet.summarise(rng.standard_normal((50_000, 32)))
    sets = [rng.standard_normal((500, 32)) for _ in range(10)]
    usual = np.mean([Frechet.between(a, a, summary) for a in sets])
    assert usual > 0.5
    assert abs(np.mean([FrechetInfinity.between(a, a, summary) for a in sets])) < usual / 20


# Kernel distance over subsets


def test_kernel_over_subsets_is_its_definition(monkeypatch):
    """Five subsets of 40 images, every pair of which is compared in float64."""
    monkeypatch.setattr(kernel_subsets, "SIZE", 40)
    monkeypatch.setattr(kernel_subsets, "SUBSETS", 5)
    generated, real = two_sets()

    def mmd(x: np.ndarray, y: np.ndarray) -> float:
        k = (np.concatenate([x, y]).astype(np.float64) @ np.concatenate([x, y]).T / 16 + 1) ** 3
        within = sum((k[part, part].sum() - k[part, part].trace()) / (40 * 39) for part in (slice(40), slice(40, None)))
        return within - 2 * k[:40, 40:].mean()

    expected = np.mean(
        [mmd(generated[subset_numbers(300, 40, i)], real[subset_numbers(260, 40, 5 + i)]) for i in range(5)]
    )
    assert distance("kernel-subsets", generated, real) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_kernel_over_subsets_is_that_of_clean_fid_but_for_the_draw():
    """Both draw 100 subsets of 1,000 images. They differ as such draws do, and so does the value of all pairs."""
    generated, real = two_sets(1500, 1400)
    np.random.seed(0)
    theirs = [fid.kernel_distance(real, generated) for _ in range(4)]
    spread = np.std(theirs, ddof=1)
    ours = distance("kernel-subsets", generated, real)
    assert ours == pytest.approx(np.mean(theirs), abs=5 * spread)
    assert ours == pytest.approx(Kernel.between(generated, real), abs=5 * spread)


# Sliced Wasserstein distance


@pytest.mark.parametrize("m", [30, 24, 7])
def test_mind_is_its_definition(m):
    """3 d times the mean over directions of W_2^2, of samples that are repeated until both sets are equally large."""
    generated, real = two_sets(30, m)
    along = mind.directions(16).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1, rtol=1e-6)
    assert len(along) == 1000 and abs(along.mean(0)).max() < 5 / np.sqrt(16 * 1000)
    gaps = [
        (np.repeat(np.sort(generated @ one), m) - np.repeat(np.sort(real @ one), 30)).astype(np.float64) ** 2
        for one in along
    ]
    assert distance("mind", generated, real) == pytest.approx(3 * 16 * np.mean(gaps), rel=1e-5)


def test_mind_of_a_shift_is_three_times_its_square():
    """Every projection of the shift is u.s, whose square has the mean |s|^2 / d."""
    points, shift = two_sets(200)[0], np.full(16, 0.5, np.float32)
    assert distance("mind", points + shift, points) == pytest.approx(3 * 16 * 0.25, rel=0.1)
    assert distance("mind", points, points[::-1]) == pytest.approx(0, abs=1e-6)


def test_the_directions_are_the_same_everywhere():
    assert mind.directions(4)[0].tolist() == pytest.approx([0.5799686, 0.1315600, 0.3217803, 0.7367399], abs=1e-6)


# Shares by nearest neighbours


def all_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances (N, M) of every image to every other, in float64."""
    return np.linalg.norm(a[:, None].astype(np.float64) - b[None].astype(np.float64), axis=-1)


def radii(features: np.ndarray, k: int) -> np.ndarray:
    """Distance of each image to its k-th nearest other."""
    return np.sort(all_distances(features, features) + np.diag(np.full(len(features), np.inf)), axis=1)[:, k - 1]


def precision(generated: np.ndarray, real: np.ndarray) -> float:
    return float(np.mean([any(row <= radii(real, 3)) for row in all_distances(generated, real)]))


def density(generated: np.ndarray, real: np.ndarray) -> float:
    return float(np.mean([sum(row <= radii(real, 5)) for row in all_distances(generated, real)]) / 5)


def coverage(generated: np.ndarray, real: np.ndarray) -> float:
    return float(np.mean(all_distances(generated, real).min(0) <= radii(real, 5)))


def memorisation(generated: np.ndarray, real: np.ndarray) -> float:
    nearest = all_distances(generated, real)
    return float(np.mean(nearest.min(1) <= radii(real, 1)[nearest.argmin(1)]))


SHARES = {
    "precision": precision,
    "recall": lambda generated, real: precision(real, generated),
    "density": density,
    "coverage": coverage,
    "memorisation": memorisation,
}


@pytest.mark.parametrize("name", SHARES)
def test_a_share_is_its_definition(name, monkeypatch):
    """Whatever the size of the blocks."""
    generated, real = two_sets()
    expected = SHARES[name](generated, real)
    assert 0.1 < expected < 1.2
    assert distance(name, generated, real) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(moments, "BLOCK", 77)
    assert distance(name, generated, real) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "of_copies"), [("precision", 1), ("recall", 1), ("coverage", 1), ("memorisation", 1)])
def test_a_share_of_copies(name, of_copies):
    real = two_sets()[1]
    assert distance(name, real[::-1], real) == of_copies


@pytest.mark.parametrize("name", SHARES)
def test_a_share_of_images_that_are_nowhere_near(name):
    generated, real = two_sets()
    assert distance(name, generated + 1000, real) == 0


def test_copies_count_as_memorised_where_the_data_have_twins():
    """A twin is at a distance of 0, and so is the copy."""
    real = np.repeat(two_sets()[1][:50], 2, axis=0)
    assert distance("memorisation", real[:30], real) == 1
    assert distance("memorisation", real[:30] + 1e-3, real) == 0


def test_new_images_are_memorised_as_often_as_references_are_mutual_neighbours():
    """Known for a uniform density in the plane: 0.6215 of all points are nearest to their nearest neighbour."""
    rng = np.random.default_rng(0)
    generated, real = (rng.random((4000, 2)).astype(np.float32) for _ in range(2))
    assert distance("memorisation", generated, real) == pytest.approx(0.6215, abs=0.03)


def test_the_neighbours_of_a_reference_are_found_once(monkeypatch):
    """However many distances need them."""
    calls = []
    among = _neighbours.among_themselves
    monkeypatch.setattr(
        _neighbours, "among_themselves", lambda features: calls.append(len(features)) or among(features)
    )
    summary = summary_of(two_sets()[1], ["precision", "recall", "density", "coverage", "memorisation"])
    assert summary.keys() == {"neighbours"} and calls == [260]
    assert summary["neighbours"].shape == (260, 5)


# What is refused


@pytest.mark.parametrize(
    ("name", "encoder", "least"),
    [
        ("frechet-infinity", "inception", 4098),
        ("kernel-subsets", "inception", 1000),
        ("precision", "inception", 6),
        ("memorisation", "inception", 6),
    ],
)
def test_too_few_images_are_refused_before_anything_runs(name, encoder, least):
    block = {"encoders": [encoder], "distances": [name]}
    assert Evaluation.model_validate(block | {"samples": least}).minimum_images() == least
    with pytest.raises(ValueError, match=rf"samples = {least - 1} is too few: the .* needs at least {least}"):
        Evaluation.model_validate(block | {"samples": least - 1})


@pytest.mark.parametrize("name", [name for name in DISTANCES.names() if name != "frechet"])
def test_verdicts_are_made_of_the_frechet_distance_alone(name):
    assert not DISTANCES[name].judged
