"""An image's noise is normal and its own: a function of seed, image and draw, the same in every batch."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from etsdm.diffusion.seeds import derived_seed
from etsdm.sampling.noise import ImageNoise
from etsdm.sampling.philox import WORD, box_muller, counters, normal, philox

CPU = torch.device("cpu")
SHAPE = (3, 8, 8)
FALSE_ALARM = 1e-4
"""Probability that a good generator fails one of the bounds below, had its seed not been chosen once and for all."""

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((WORD,) * 4, (WORD,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""Counter, key and words of philox4x32-10 in `kat_vectors` of Random123 (Salmon et al. 2011)."""


def noise(indices=range(256), seed=0, shape=SHAPE):
    return ImageNoise(seed, indices, shape, CPU)


def as_keys(*pairs):
    """Keys of low and high words, in two's complement."""
    keys = [low + (high << 32) for low, high in pairs]
    return torch.tensor([key - (key >> 63 << 64) for key in keys])


@pytest.fixture(scope="module")
def drawn():
    """Four draws for each of 256 images, float64 (images, draws, values)."""
    draw = noise()
    return torch.stack([draw().flatten(1) for _ in range(4)], 1).double().numpy()


def test_the_words_are_those_published():
    counter = torch.tensor([known[0] for known in KNOWN])
    words = philox(tuple(counter.unbind(1)), as_keys(*(known[1] for known in KNOWN)))
    assert torch.stack(words, 1).tolist() == [list(known[2]) for known in KNOWN]


def test_words_are_those_of_exact_arithmetic():
    """Counters above 2^32 and keys with all bits, beside Python's integers."""
    offset, keys = 2**40 + 2**32 - 2, [derived_seed(i) for i in range(5)] + [-1, -(2**63)]
    counter = torch.arange(offset, offset + 4)
    zero = torch.zeros(1, dtype=torch.int64)
    words = torch.stack(philox((counter & WORD, counter >> 32, zero, zero), torch.tensor(keys)[:, None]), -1)
    for i, key in enumerate(keys):
        for j in range(4):
            assert words[i, j].tolist() == plain_philox(offset + j, key)


def plain_philox(counter, key):
    c, k = [counter & WORD, counter >> 32, 0, 0], [key & WORD, key >> 32 & WORD]
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [b >> 32 ^ c[1] ^ k[0], b & WORD, a >> 32 ^ c[3] ^ k[1], a & WORD]
        k = [k[0] + 0x9E3779B9 & WORD, k[1] + 0xBB67AE85 & WORD]
    return c


def test_extreme_words_give_finite_numbers():
    words = torch.tensor([0, 1, WORD // 2, WORD - 1, WORD])
    first, second = torch.meshgrid(words, words, indexing="ij")
    values = box_muller(first, second)
    assert values.isfinite().all()
    assert values.abs().max() == pytest.approx(math.sqrt(2 * 33 * math.log(2)), rel=1e-6)
    assert (values.square().sum(-1) > 0).all()


@pytest.mark.skipif(not hasattr(torch.ops.aten, "_philox_normal_"), reason="this PyTorch has no keyed generator")
def test_numbers_are_those_of_pytorch_but_for_its_rounding():
    """It computes in float32. Its key is a pair of key and offset."""
    keys = torch.tensor([derived_seed("image", 0, i) for i in range(64)])
    pairs = torch.stack((keys, torch.zeros_like(keys)), 1).view(torch.uint64)
    expected = torch.ops.aten._philox_normal_(torch.empty(64, *SHAPE), pairs.view(64, 1, 1, 1, 2))
    assert torch.allclose(normal(keys, 0, SHAPE), expected, rtol=0, atol=1e-5)


def test_moments_are_those_of_a_normal_distribution(drawn):
    """Mean and variance within their exact distributions; kurtosis within that of normal samples."""
    values = drawn.ravel()
    n = values.size
    assert stats.norm.sf(abs(values.mean()) * math.sqrt(n)) > FALSE_ALARM / 2
    assert FALSE_ALARM / 2 < stats.chi2.cdf(np.square(values).sum(), n) < 1 - FALSE_ALARM / 2
    assert stats.kurtosistest(values).pvalue > FALSE_ALARM
    assert stats.skewtest(values).pvalue > FALSE_ALARM


def test_the_whole_distribution_is_normal(drawn):
    """Kolmogorov and Smirnov's bound, for all values and for each of the four numbers of a counter."""
    assert stats.kstest(drawn.ravel(), "norm").pvalue > FALSE_ALARM
    for i in range(4):
        assert stats.kstest(drawn[..., i::4].ravel(), "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("apart", [(0, 0, 1), (0, 0, 2), (0, 0, 4), (0, 1, 0), (1, 0, 0)])
def test_neighbours_draws_and_images_are_independent(drawn, apart, power):
    """No correlation of values or of their squares, by the exact distribution of Pearson's coefficient."""
    values = drawn**power
    ends = [slice(step, None) for step in apart]
    starts = [slice(None, size - step) for size, step in zip(values.shape, apart, strict=True)]
    assert stats.pearsonr(values[tuple(starts)].ravel(), values[tuple(ends)].ravel()).pvalue > FALSE_ALARM


@pytest.mark.parametrize("indices", [range(7, 8), range(5, 9), range(9, 4, -1), range(0, 64, 7), range(7, 300)])
def test_an_image_has_the_same_noise_in_every_batch(indices):
    expected, draw = noise(range(8)), noise(indices)
    for _ in range(3):
        assert torch.equal(expected()[7], draw()[indices.index(7)])


def test_seeds_and_images_have_streams_of_their_own():
    first = noise(range(4))()
    second = noise(range(4), seed=1)()
    assert len(torch.cat((first, second)).flatten(1).unique(dim=0)) == 8


@pytest.mark.parametrize("shape", [(1,), (1, 1, 3), (3, 5, 5), (1, 8, 8)])
def test_draws_follow_each_other_without_overlap(shape):
    """Each draw is the next part of one long draw; what is left of its last counter is not used."""
    draw = noise(range(3), shape=shape)
    used = 4 * counters(shape)
    long = normal(draw.keys, 0, (5, used))
    for i in range(5):
        assert torch.equal(draw(), long[:, i, : math.prod(shape)].reshape(3, *shape))
    assert used - 4 < math.prod(shape) <= used
    assert len(long.unique()) == long.numel()
