"""What tests of solvers share: schedules, an analytic mixture, points to start from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mixtures import GaussianMixture
from torch import Tensor

from etsdm.diffusion.schedules import make_schedule

SCHEDULE_NAMES = ["linear", "quadratic", "cosine", "cosine-shift", "zero-terminal-snr", "flow"]
GRIDS = ["uniform", "quadratic", "log-snr"]
MIXTURE = GaussianMixture()


def schedule_named(name: str, timesteps: int = 1000):
    return make_schedule(name, timesteps, 64)


def start(n: int = 8, dimensions: int = 2) -> Tensor:
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def noise_like(x: Tensor, seed: int = 1) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(x.shape, generator=generator, dtype=x.dtype)


def no_noise() -> Tensor:
    raise AssertionError("a deterministic solver asked for noise")
