"""heun: Heun's method in sigma / alpha (Karras et al. 2022, algorithm 1), of second order."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.grids import time_grid
from etsdm.solvers.solver import Solver, data_prediction

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.solvers.solver import Noise, Predict


class Heun(Solver):
    """Heun's method: two evaluations a step, so `nfe` must be even, or odd with `denoise`."""

    order: ClassVar[int] = 50

    name: Literal["heun"]

    def full_order(self) -> int:
        """Two evaluations are one step."""
        return 2


def solve(predict: Predict, schedule: Schedule, x: Tensor, settings: Heun, noise: Noise) -> Tensor:
    """x, or x_0, at the end of sampling. The variable is y = x / alpha, with dy = eps d(sigma / alpha)."""
    steps = (settings.budget - settings.denoise) // 2
    times = time_grid(settings.grid, schedule, steps + 1, settings.lambda_start, settings.t_end).tolist()
    for t, s in pairwise(times):
        start, end = (float(schedule.sigma(time) / schedule.alpha(time)) for time in (t, s))
        y, slope = x / float(schedule.alpha(t)), predict(x, t)
        guess = predict(float(schedule.alpha(s)) * (y + (end - start) * slope), s)
        x = float(schedule.alpha(s)) * (y + (end - start) * (slope + guess) / 2)
    return data_prediction(predict, schedule, x, times[-1]) if settings.denoise else x
