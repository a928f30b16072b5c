"""How often each time is trained, one distribution a file; without one all times are equally likely.

Each file has a class of settings, derived from `TrainingTimes`, and `quantile(uniform, settings)`: from numbers that
are uniform in [0, 1) to numbers in [0, 1] of that distribution, which are scaled to the times that are trained.
"""

from typing import Annotated

from etsdm.config.registry import OneOf, Registry
from etsdm.diffusion.training_times.distribution import TrainingTimes

TRAINING_TIMES = Registry("etsdm.diffusion.training_times", "distribution of training times", TrainingTimes)
UNIFORM = "uniform"

OneTrainingTimes = Annotated[TrainingTimes | None, OneOf(TRAINING_TIMES, UNIFORM)]
"""The settings of a distribution; None, or the word `uniform`, for all times alike."""

__all__ = ["TRAINING_TIMES", "UNIFORM", "OneTrainingTimes", "TrainingTimes"]
