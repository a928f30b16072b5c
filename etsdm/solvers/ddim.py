"""DDIM (Song, Meng & Ermon 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from etsdm.config.strict import Real
from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.grids import time_grid
from etsdm.solvers.solver import Solver, data_prediction

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.solvers.solver import Noise, Predict


class Ddim(Solver):
    """DDIM (Song et al. 2021)."""

    order: ClassVar[int] = 20

    name: Literal["ddim"]
    denoise: bool = True
    """End with the predicted x_0, as DDIM does."""
    eta: Real = Field(0.0, ge=0, le=1)
    """0: deterministic; 1: ancestral."""

    @property
    def draws_noise(self) -> bool:
        """With eta above 0."""
        return self.eta > 0

    def fewest(self) -> int:
        """One: its last step is the denoising."""
        return 1


def ddim(
    predict: Predict,
    schedule: Schedule,
    x: Tensor,
    times: Sequence[float],
    eta: float,
    noise: Noise,
) -> Tensor:
    """From `times[0]` to `times[-1]`, one evaluation a step (eq. 12, with the noise of eq. 16).

    `eta` scales that noise: 0 is deterministic, 1 is ancestral sampling with the posterior's variance.
    """
    for t, s in pairwise(times):
        alpha_t, sigma_t, alpha_s, sigma_s = map(
            float, (schedule.alpha(t), schedule.sigma(t), schedule.alpha(s), schedule.sigma(s))
        )
        beta = float(schedule.levels.added(schedule.log_alpha(t), schedule.log_alpha(s)))
        added = eta * sigma_s / sigma_t * math.sqrt(beta)
        eps = predict(x, t)
        x = alpha_s / alpha_t * (x - sigma_t * eps) + math.sqrt(sigma_s**2 - added**2) * eps
        if added:
            x = x + added * noise()
    return x


def solve(
    predict: Predict,
    schedule: Schedule,
    x: Tensor,
    settings: Ddim,
    noise: Noise,
) -> Tensor:
    """Images from x at the start, by the settings.

    With `denoise` the last evaluation, at t_stop or t_end, gives the clean images; without, the result is x at t_stop.
    """
    points = settings.budget + (not settings.denoise)
    times = time_grid(settings.grid, schedule, points, settings.lambda_start, settings.t_end).tolist()
    x = ddim(predict, schedule, x, times, settings.eta, noise)
    return data_prediction(predict, schedule, x, times[-1]) if settings.denoise else x
