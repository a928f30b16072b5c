"""square: alpha_t^2 = 1 - (t / T)^2, but for its last value."""

from typing import ClassVar

import numpy as np

from etsdm.diffusion.schedules.family import Family
from etsdm.diffusion.schedules.levels import Array

LAST = 0.999
"""Tau at which it ends, as alpha is 0 at 1."""


class Square(Family):
    """Alpha squared falls with the square of time."""

    name: ClassVar[str] = "square"
    order: ClassVar[int] = 60

    @classmethod
    def log_alphas(cls, timesteps: int, resolution: int, flat_until: float) -> Array:
        """At the ends of the steps."""
        return cls.log_alpha(LAST * np.arange(1, timesteps + 1) / timesteps, resolution, flat_until)

    @classmethod
    def log_alpha(cls, tau: Array, resolution: int, flat_until: float) -> Array:
        """It starts flat, so there is nothing to flatten."""
        return 0.5 * np.log1p(-np.square(tau))

    @classmethod
    def end(cls, resolution: int, flat_until: float) -> float:
        """Before alpha is 0."""
        return LAST
