"""linear: beta linear in t (Ho et al. 2020, section 4)."""

from typing import ClassVar

import numpy as np
from numpy.polynomial import Polynomial

from etsdm.diffusion.schedules.betas import BETA_END, BETA_START, TAU, BetaFamily
from etsdm.diffusion.schedules.levels import Array


class Linear(BetaFamily):
    """Beta linear in t (Ho et al. 2020, section 4)."""

    name: ClassVar[str] = "linear"
    order: ClassVar[int] = 10
    beta: ClassVar[Polynomial] = BETA_START + (BETA_END - BETA_START) * TAU

    @classmethod
    def betas(cls, timesteps: int) -> Array:
        """The ends are those for 1,000 steps, scaled by 1000 / T for another T as guided-diffusion does."""
        return np.linspace(BETA_START, BETA_END, timesteps) / timesteps
