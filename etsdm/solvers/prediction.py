"""What solvers are given, and the data prediction that follows from a noise prediction."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from etsdm.diffusion.schedules import Schedule

Predict = Callable[[Tensor, float], Tensor]
"""eps = predict(x, t): a NoisePredictor, or anything like it."""
Noise = Callable[[], Tensor]
"""A fresh standard normal tensor like x at each call."""


def data_prediction(predict: Predict, schedule: Schedule, x: Tensor, t: float) -> Tensor:
    """The clean images that the noise predicted in x at t implies, x_0 = (x - sigma_t eps) / alpha_t."""
    return (x - float(schedule.sigma(t)) * predict(x, t)) / float(schedule.alpha(t))
