"""What a training step sees, each a pure function of the seed and the number of images seen before it."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def derived_seed(seed: int, purpose: str, position: int) -> int:
    """A 63-bit seed for one purpose at one position of the training run of `seed`."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{position}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@lru_cache(maxsize=2)
def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order in which epoch number `epoch` visits the `count` images."""
    return np.random.default_rng(derived_seed(seed, "order", epoch)).permutation(count)


def batch_indices(count: int, seed: int, position: int, batch: int) -> NDArray[np.int64]:
    """Indices of the `batch` images that follow the first `position` ones; batches run across epochs."""
    epochs = range(position // count, (position + batch - 1) // count + 1)
    visited = np.concatenate([epoch_order(count, seed, epoch) for epoch in epochs])
    start = position - epochs[0] * count
    return visited[start : start + batch]


@dataclass(frozen=True)
class Draws:
    """The random numbers of a step: times (B,), noise (B, C, H, W), and which images are mirrored (B,)."""

    t: Tensor
    eps: Tensor
    flips: Tensor


def draw(seed: int, position: int, shape: tuple[int, ...], times: int, device: torch.device) -> Draws:
    """Draw the randomness of the global batch that follows the first `position` images.

    It is drawn for the whole batch at once, so that slicing the batch does not change it.

    Args:
        seed: seed of the run.
        position: images seen before this batch.
        shape: (B, C, H, W) of the global batch.
        times: t is uniform over the integers below it.
        device: where to draw; each kind of device has its own numbers.
    """
    generator = torch.Generator(device).manual_seed(derived_seed(seed, "draws", position))
    t = torch.randint(times, shape[:1], generator=generator, device=device)
    eps = torch.randn(shape, generator=generator, device=device)
    flips = torch.rand(shape[:1], generator=generator, device=device) < 0.5
    return Draws(t, eps.contiguous(memory_format=torch.channels_last), flips)


def to_network(pixels: Tensor, flips: Tensor | None) -> Tensor:
    """uint8 images (B, H, W, C) -> float images (B, C, H, W) in [-1, 1], mirrored where `flips` says so."""
    images = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    return images if flips is None else torch.where(flips[:, None, None, None], images.flip(3), images)
