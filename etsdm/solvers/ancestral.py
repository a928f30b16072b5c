"""Ancestral sampling (DDPM: Ho, Jain & Abbeel 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.grids import time_grid
from etsdm.solvers.solver import Solver

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.solvers.solver import Noise, Predict

Variance = Literal["fixed-small", "fixed-large"]


class Ancestral(Solver):
    """Ancestral sampling of Ho et al. (2020), respaced; it always ends with the predicted x_0."""

    order: ClassVar[int] = 10
    formerly: ClassVar[str | None] = "ddpm"
    is_chain: ClassVar[bool] = True

    name: Literal["ancestral"]
    denoise: Literal[True] = True
    """Ancestral sampling always ends with the predicted x_0."""
    clip_x0: bool | Literal["auto"] = True
    """As for other solvers; here it is on unless another answer is given."""
    variance: Variance = "fixed-large"
    """The posterior variance (small) or beta_t (large)."""

    @property
    def draws_noise(self) -> bool:
        """Always."""
        return True

    def fewest(self) -> int:
        """One: its last step is the denoising."""
        return 1


def ancestral(
    predict: Predict,
    schedule: Schedule,
    x: Tensor,
    times: Sequence[float],
    variance: str,
    noise: Noise,
) -> Tensor:
    """Ancestral sampling through `times`, then from the last of them to clean images: one evaluation a time.

    Ho et al. 2020, algorithm 2 with the mean of eq. 11. Beta is the variance that the whole step from s to t adds,
    1 - alpha_t^2 / alpha_s^2 where alpha^2 + sigma^2 = 1 (Nichol & Dhariwal 2021, section 4); on other paths it is
    `Levels.added` (Kingma et al. 2021, appendix A). `variance` is ``fixed-large``, beta, or ``fixed-small``, the
    posterior's beta sigma_s^2 / sigma_t^2 (eq. 7). The clean images get no noise.
    """
    for i, t in enumerate(times):
        final = i == len(times) - 1
        log_alpha_s, sigma_s = (0.0, 0.0) if final else log_alpha_sigma(schedule, times[i + 1])
        log_alpha_t, sigma_t = log_alpha_sigma(schedule, t)
        beta = float(schedule.levels.added(np.asarray(log_alpha_t), np.asarray(log_alpha_s)))
        x = math.exp(log_alpha_s - log_alpha_t) * (x - beta / sigma_t * predict(x, t))
        if not final:
            x = x + math.sqrt(step_variance(variance, beta, sigma_t, sigma_s)) * noise()
    return x


def step_variance(variance: str, beta: float, sigma_t: float, sigma_s: float) -> float:
    """Variance of the noise one step adds. Raises ValueError for an unknown name."""
    if variance == "fixed-small":
        return beta * sigma_s**2 / sigma_t**2
    if variance == "fixed-large":
        return beta
    raise ValueError(f"unknown variance {variance!r}: fixed-small or fixed-large")


def log_alpha_sigma(schedule: Schedule, t: float) -> tuple[float, float]:
    return float(schedule.log_alpha(t)), float(schedule.sigma(t))


def solve(
    predict: Predict,
    schedule: Schedule,
    x: Tensor,
    settings: Ancestral,
    noise: Noise,
) -> Tensor:
    """Clean images from x at the start, by the settings."""
    times = time_grid(settings.grid, schedule, settings.budget, settings.lambda_start, settings.t_end).tolist()
    return ancestral(predict, schedule, x, times, settings.variance, noise)
