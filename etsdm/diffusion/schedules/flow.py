"""flow: the straight path of flow matching, alpha = 1 - tau and sigma = tau (Liu et al. 2023; Lipman et al. 2023)."""

from typing import ClassVar

import numpy as np

from etsdm.diffusion.schedules.family import Family
from etsdm.diffusion.schedules.levels import Array, Levels, Straight


class Flow(Family):
    """x_t = (1 - tau) x_0 + tau eps, tau = t / T; in discrete time that of the step's end, (t + 1) / T.

    d sigma/dt is 1 / T everywhere, so the growth without bound that E-TSDM is made against has no cause here.
    """

    name: ClassVar[str] = "flow"
    order: ClassVar[int] = 60
    levels: ClassVar[Levels] = Straight
    ends_in_noise: ClassVar[bool] = True

    @classmethod
    def log_alphas(cls, timesteps: int, resolution: int, flat_until: float) -> Array:
        return cls.log_alpha(np.arange(1, timesteps + 1) / timesteps, resolution, flat_until / timesteps)

    @classmethod
    def log_alpha(cls, tau: Array, resolution: int, flat_until: float) -> Array:
        """Flattened, sigma is the integral of the `ramp` up to `flat_until`, scaled to reach 1 at tau = 1."""
        sigma = ramped(tau, flat_until) / ramped(np.ones(()), flat_until) if flat_until else tau
        with np.errstate(divide="ignore"):
            return np.log1p(-sigma)


def ramped(tau: Array, until: float) -> Array:
    """The integral of `betas.ramp(tau / until)` from 0 to tau."""
    u = np.clip(tau / until, 0.0, 1.0)
    return until * (u**3 - u**4 / 2) + np.maximum(tau - until, 0.0)
