"""logit-normal: the logit of t / T is normal, which trains the middle more often (Esser et al. 2024, section 3.1)."""

from typing import ClassVar, Literal

import numpy as np

from etsdm.config.strict import Positive, Real
from etsdm.diffusion.schedules import Array
from etsdm.diffusion.training_times.distribution import TrainingTimes


class LogitNormal(TrainingTimes):
    """Times whose logit, t in units of the last time, is normal."""

    order: ClassVar[int] = 20

    name: Literal["logit-normal"]
    mean: Real = 0.0
    """Of the logit; below 0, times near zero are trained more often."""
    std: Positive = 1.0
    """Of the logit."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"logit-normal-{self.mean:g}-{self.std:g}"


def quantile(uniform: Array, settings: LogitNormal) -> Array:
    """The logistic function of the normal quantile."""
    from scipy.special import expit, ndtri

    return np.asarray(expit(settings.mean + settings.std * ndtri(uniform)), dtype=np.float64)
