"""Normal numbers by counter: streams of their own for all images of a batch, drawn at once and from any position.

The words are those of Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3",
section 3.3). Words are kept in int64, so every PyTorch and every device gives the same ones.

PyTorch 2.14 has a keyed generator of the same words, `torch.func._random`. It is not used: it is experimental, PyTorch
2.11 lacks it, and it computes normal numbers in float32, on GPUs by cuRAND, which sets sines before cosines. On a CPU
its numbers are those of `normal` but for that rounding; the tests compare them.
"""

import math

import torch
from torch import Tensor

Words = tuple[Tensor, Tensor, Tensor, Tensor]
"""Four words of 32 bits, int64, of shapes that broadcast."""

ROUNDS = 10
WORD = 2**32 - 1
"""The bits of a word."""
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
"""What the words of the key grow by each round: the fractions of the golden ratio and of the square root of 3."""


def counters(shape: tuple[int, ...]) -> int:
    """The counters that a draw of `shape` uses of each stream: each gives four numbers."""
    return math.ceil(math.prod(shape) / 4)


def normal(keys: Tensor, offset: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers of each stream's counters from `offset` on, float32 (B, *shape).

    Args:
        keys: one for each stream, int64 (B,).
        offset: the first counter. The next draw's is `offset + counters(shape)`.
    """
    counter = torch.arange(offset, offset + counters(shape), device=keys.device)
    zero = torch.zeros_like(counter[:1])
    w0, w1, w2, w3 = philox((counter & WORD, counter >> 32, zero, zero), keys[:, None])
    values = box_muller(torch.stack((w0, w2), -1), torch.stack((w1, w3), -1)).flatten(1)
    return values[:, : math.prod(shape)].reshape(-1, *shape)


def philox(counter: Words, keys: Tensor) -> Words:
    """Four random words for each counter under each key.

    Args:
        counter: its words, the lowest first.
        keys: 64 bits each, int64, of a shape that broadcasts with the words.
    """
    c0, c1, c2, c3 = counter
    rounds = torch.arange(ROUNDS, device=keys.device).view(-1, *[1] * keys.ndim)
    low = (keys + rounds * WEYL[0]) & WORD
    high = ((keys >> 32) + rounds * WEYL[1]) & WORD
    for k0, k1 in zip(low.unbind(), high.unbind(), strict=True):
        high0, low0 = _product(c0, MULTIPLIERS[0])
        high2, low2 = _product(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high2 ^ c1 ^ k0, low2, high0 ^ c3 ^ k1, low0
    return c0, c1, c2, c3


def _product(word: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
    """High and low word of word times multiplier, which has 64 bits where int64 has 63.

    The multiplier less 2^32 lies between -2^31 and 0, and its product fits. What that lacks is 2^32 times the word, so
    the word is added to the high word.
    """
    product = word * (multiplier - 2**32)
    return (product >> 32) + word, product & WORD


def box_muller(first: Tensor, second: Tensor) -> Tensor:
    """Two standard normal numbers, float32 (..., 2), of each pair of words, (...) (Box & Muller 1958).

    A word stands for the middle of its 2^-32 of the unit interval, so no logarithm is that of 0. The numbers are
    computed in float64 and rounded, which hides the last bits in which devices differ.
    """
    radius = ((first.double() + 0.5) * 2**-32).log().mul(-2).sqrt()
    angle = (second.double() + 0.5) * (2 * math.pi * 2**-32)
    return torch.stack((radius * angle.cos(), radius * angle.sin()), -1).float()
