"""DDIM (Song, Meng & Ermon 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor

from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.grids import time_grid
from etsdm.solvers.prediction import Noise, Predict, data_prediction


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
        beta = -math.expm1(2 * float(schedule.log_alpha(t) - schedule.log_alpha(s)))
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
    spec: dict[str, Any],
    noise: Noise,
) -> Tensor:
    """Images from x at the start, by the `grid`, `nfe`, `eta`, `denoise` and `lambda_start` of the spec.

    With `denoise` the last evaluation, at t_stop, gives the clean images; without, the result is x at t_stop.
    """
    points = spec["nfe"] + (not spec["denoise"])
    times = time_grid(spec["grid"], schedule, points, spec.get("lambda_start")).tolist()
    x = ddim(predict, schedule, x, times, spec["eta"], noise)
    return data_prediction(predict, schedule, x, times[-1]) if spec["denoise"] else x
