"""beta: t / T ~ Beta(a, b), which trains times near zero more often (Zheng et al. 2024, "Beta-Tuned Timestep")."""

from typing import ClassVar, Literal

import numpy as np

from etsdm.config.strict import Positive
from etsdm.diffusion.schedules import Array
from etsdm.diffusion.training_times.distribution import TrainingTimes


class Beta(TrainingTimes):
    """Times of density t^(a - 1) (1 - t)^(b - 1), t in units of the last time."""

    order: ClassVar[int] = 10

    name: Literal["beta"]
    a: Positive = 0.8
    """Below 1, times near zero are trained more often; 0.8 as in Zheng et al."""
    b: Positive = 1.0
    """Below 1, times near the end are trained more often."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"beta-{self.a:g}-{self.b:g}"


def quantile(uniform: Array, settings: Beta) -> Array:
    """The inverse of the distribution function, the regularised incomplete beta function."""
    from scipy.special import betaincinv

    return np.asarray(betaincinv(settings.a, settings.b, uniform), dtype=np.float64)
