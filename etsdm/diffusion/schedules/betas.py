"""What schedules that state beta have in common."""

from typing import ClassVar

import numpy as np
from numpy.polynomial import Polynomial

from etsdm.diffusion.schedules.family import Family
from etsdm.diffusion.schedules.levels import Array

BETA_START, BETA_END = 0.1, 20.0
"""T times the first and the last beta (Ho et al. 2020, section 4: 1e-4 and 0.02 in 1,000 steps)."""
TAU = Polynomial([0.0, 1.0])


def ramp(u: float | Array) -> Array:
    """A smooth step from 0 at u = 0 to 1 at u = 1, flat at both ends: 3 u^2 - 2 u^3."""
    u = np.clip(u, 0.0, 1.0)
    return np.asarray(u**2 * (3 - 2 * u))


class BetaFamily(Family):
    """A schedule given by beta: `betas` in discrete time, the polynomial `beta` in continuous time.

    beta(tau) is that of the variance-preserving SDE (Song et al. 2021, equation 11).
    """

    beta: ClassVar[Polynomial]

    @classmethod
    def betas(cls, timesteps: int) -> Array:
        """Beta of each step, (T,)."""
        raise NotImplementedError

    @classmethod
    def log_alphas(cls, timesteps: int, resolution: int, flat_until: float) -> Array:
        betas, steps = cls.betas(timesteps), np.arange(1, timesteps + 1)
        return 0.5 * np.cumsum(np.log1p(-betas * (ramp(steps / flat_until) if flat_until else 1.0)))

    @classmethod
    def log_alpha(cls, tau: Array, resolution: int, flat_until: float) -> Array:
        return -0.5 * integrated(cls.beta, tau, flat_until)


def integrated(beta: Polynomial, tau: Array, flat_until: float) -> Array:
    """The integral of beta from 0 to tau, exact: a polynomial, or two where beta is flattened below `flat_until`."""
    whole = beta.integ()
    if not flat_until:
        return np.asarray(whole(tau))
    u = TAU / flat_until
    flat = (beta * (3 * u**2 - 2 * u**3)).integ()
    return np.where(tau < flat_until, flat(tau), flat(flat_until) + whole(tau) - whole(flat_until))
