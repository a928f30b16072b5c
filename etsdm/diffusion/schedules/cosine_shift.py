"""cosine-shift: the cosine schedule with its log-SNR shifted by the resolution (Hoogeboom et al. 2023)."""

from typing import ClassVar

import numpy as np

from etsdm.diffusion.schedules.cosine import Cosine, cosine_end, offset
from etsdm.diffusion.schedules.family import Family
from etsdm.diffusion.schedules.levels import Array, VariancePreserving
from etsdm.diffusion.schedules.schedule import half_log_snr


def shift(resolution: int) -> float:
    """By how much lambda moves: log(64 / resolution), half the shift of the log-SNR (Hoogeboom et al. 2023, 3.1)."""
    return float(np.log(64 / resolution))


def shifted(log_alpha: Array, resolution: int) -> Array:
    """Log alpha with its lambda moved by `shift`."""
    return VariancePreserving.log_alpha(half_log_snr(log_alpha, VariancePreserving) + shift(resolution))


class CosineShift(Family):
    """The cosine schedule, `shifted`. In continuous time it ends at the lambda at which cosine does."""

    name: ClassVar[str] = "cosine-shift"
    order: ClassVar[int] = 40

    @classmethod
    def log_alphas(cls, timesteps: int, resolution: int, flat_until: float) -> Array:
        return shifted(Cosine.log_alphas(timesteps, resolution, flat_until), resolution)

    @classmethod
    def log_alpha(cls, tau: Array, resolution: int, flat_until: float) -> Array:
        return shifted(Cosine.log_alpha(tau, resolution, flat_until), resolution)

    @classmethod
    def end(cls, resolution: int, flat_until: float) -> float:
        return cosine_end(offset(flat_until), shift(resolution))
