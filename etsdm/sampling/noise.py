"""Noise that belongs to an image, not to a batch."""

import torch
from torch import Tensor

from etsdm.diffusion.seeds import derived_seed
from etsdm.sampling.philox import counters, normal


class ImageNoise:
    """Standard normal noise for a batch in which image i draws from a stream of its own.

    So image i depends on (seed, i) alone: not on the batch it is in, nor on how many images are made. A stream is a
    key and the number of counters used so far, so that the batch is one draw.

    Args:
        seed: the sample set's seed.
        indices: number of each image in the batch.
        shape: (C, H, W).
        device: where the noise is drawn.
    """

    def __init__(self, seed: int, indices: range, shape: tuple[int, ...], device: torch.device) -> None:
        self.shape = shape
        self.keys = torch.tensor([derived_seed("image", seed, index) for index in indices], device=device)
        self.offset = 0

    def __call__(self) -> Tensor:
        """Fresh noise, (B, C, H, W)."""
        noise = normal(self.keys, self.offset, self.shape)
        self.offset += counters(self.shape)
        return noise
