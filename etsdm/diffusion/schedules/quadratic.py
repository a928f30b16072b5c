"""quadratic: the square root of beta linear in t."""

from typing import ClassVar

import numpy as np
from numpy.polynomial import Polynomial

from etsdm.diffusion.schedules.betas import BETA_END, BETA_START, TAU, BetaFamily
from etsdm.diffusion.schedules.levels import Array


class Quadratic(BetaFamily):
    """The square root of beta linear in t, between the same ends as in `linear`."""

    name: ClassVar[str] = "quadratic"
    order: ClassVar[int] = 20
    beta: ClassVar[Polynomial] = (BETA_START**0.5 + (BETA_END**0.5 - BETA_START**0.5) * TAU) ** 2

    @classmethod
    def betas(cls, timesteps: int) -> Array:
        """See `linear`."""
        return np.linspace(BETA_START**0.5, BETA_END**0.5, timesteps) ** 2 / timesteps
