"""What a training step sees, each a pure function of the seed and the number of images seen before it."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etsdm.data.archive import Pixels
from etsdm.data.pixels import from_pixels
from etsdm.diffusion.process import Process
from etsdm.diffusion.seeds import derived_seed


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


class Batches:
    """A share of each global batch; the next one is read by a thread while the network works on this one.

    Args:
        pixels: all images, uint8 (N, H, W, C), in memory or in a memory map.
        seed: of their order.
        batch: size of the global batch.
        share: the part of it that is read.
        pinned: put them where a GPU can fetch them by itself.
    """

    def __init__(self, pixels: Pixels, seed: int, batch: int, share: slice, pinned: bool) -> None:
        self.pixels, self.seed, self.batch, self.share, self.pinned = pixels, seed, batch, share, pinned
        self._thread = ThreadPoolExecutor(1)
        self._next: dict[int, Future[Tensor]] = {}

    def at(self, position: int) -> Tensor:
        """The share of the global batch that follows the first `position` images, uint8 (B, H, W, C)."""
        ready = self._next.get(position) or self._thread.submit(self._read, position)
        following = position + self.batch
        self._next = {following: self._thread.submit(self._read, following)}
        return ready.result()

    def _read(self, position: int) -> Tensor:
        numbers = batch_indices(len(self.pixels), self.seed, position, self.batch)[self.share]
        read = torch.from_numpy(self.pixels[numbers])
        return read.pin_memory() if self.pinned else read


@dataclass(frozen=True)
class Draws:
    """The random numbers of a step: times (B,) in float64 on the CPU, noise (B, C, H, W), images to mirror (B,)."""

    t: Tensor
    eps: Tensor
    flips: Tensor

    def part(self, part: slice) -> "Draws":
        """Those of some of the images."""
        return Draws(self.t[part], self.eps[part], self.flips[part])


def draw(seed: int, position: int, shape: tuple[int, ...], process: Process, device: torch.device) -> Draws:
    """Draw the randomness of the global batch that follows the first `position` images.

    It is drawn for the whole batch at once, so that slicing the batch does not change it.

    Args:
        seed: seed of the run.
        position: images seen before this batch.
        shape: (B, C, H, W) of the global batch.
        process: it says how its times are distributed, up to the last that can be trained.
        device: where the noise is drawn; each kind of device has its own numbers.
    """
    numbers = np.random.default_rng(derived_seed(seed, "times and flips", position))
    t = process.draw(numbers.random(shape[0]))
    flips = numbers.random(shape[0]) < 0.5
    generator = torch.Generator(device).manual_seed(derived_seed(seed, "noise", position))
    eps = torch.randn(shape, generator=generator, device=device)
    return Draws(torch.from_numpy(t), eps.contiguous(memory_format=torch.channels_last), torch.from_numpy(flips))


def to_network(pixels: Tensor, flips: Tensor | None) -> Tensor:
    """uint8 images (B, H, W, C) -> float images (B, C, H, W) in [-1, 1], mirrored where `flips` says so."""
    images = from_pixels(pixels)
    return images if flips is None else torch.where(flips[:, None, None, None], images.flip(3), images)
