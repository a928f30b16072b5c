"""cosine: the schedule of Nichol & Dhariwal (2021)."""

from typing import ClassVar

import numpy as np

from etsdm.diffusion.schedules.family import Family
from etsdm.diffusion.schedules.levels import Array, VariancePreserving
from etsdm.diffusion.schedules.schedule import half_log_snr

COSINE_S = 0.008
"""The offset (Nichol & Dhariwal 2021, section 3.2)."""
MAX_BETA = 0.999
"""The cap on beta (Nichol & Dhariwal 2021, section 3.2)."""
COSINE_END = 0.9946
"""Last tau in continuous time, as beta has no bound at 1 (the value in Lu et al. 2022's code)."""


def offset(flat_until: float) -> float:
    """s: 0 where the schedule is flattened."""
    return 0.0 if flat_until else COSINE_S


def cosine_log_alpha(tau: Array, s: float) -> Array:
    """Log alpha of the cosine schedule (Nichol & Dhariwal 2021, equation 17)."""
    angle = np.pi / 2 / (1 + s)
    return np.asarray(np.log(np.cos((tau + s) * angle)) - np.log(np.cos(s * angle)))


def cosine_tau(log_alpha: Array, s: float) -> float:
    """The inverse of `cosine_log_alpha`."""
    angle = np.pi / 2 / (1 + s)
    return float(np.arccos(np.exp(log_alpha) * np.cos(s * angle)) / angle - s)


def cosine_end(s: float, shift: float) -> float:
    """The tau at which lambda + `shift` is what lambda is at `COSINE_END`."""
    last = half_log_snr(cosine_log_alpha(np.asarray(COSINE_END), s), VariancePreserving)
    return cosine_tau(VariancePreserving.log_alpha(last - shift), s)


class Cosine(Family):
    """The cosine schedule (Nichol & Dhariwal 2021, equation 17), with beta <= 0.999 in discrete time."""

    name: ClassVar[str] = "cosine"
    order: ClassVar[int] = 30

    @classmethod
    def log_alphas(cls, timesteps: int, resolution: int, flat_until: float) -> Array:
        s = offset(flat_until)
        alpha_bar = np.cos((np.arange(timesteps + 1) / timesteps + s) / (1 + s) * np.pi / 2) ** 2
        betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], MAX_BETA)
        return 0.5 * np.cumsum(np.log1p(-betas))

    @classmethod
    def log_alpha(cls, tau: Array, resolution: int, flat_until: float) -> Array:
        return cosine_log_alpha(tau, offset(flat_until))

    @classmethod
    def end(cls, resolution: int, flat_until: float) -> float:
        return cosine_end(offset(flat_until), 0.0)
