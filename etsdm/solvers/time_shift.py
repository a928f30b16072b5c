"""Time shift (Li, Qu, Yao, Sun & Moens 2024, arXiv 2305.15583): the network is told the time that fits x."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from etsdm.config.strict import MOST_STEPS, Strict
from etsdm.diffusion.schedules import Array, Schedule

if TYPE_CHECKING:
    from torch import Tensor


class TimeShift(Strict):
    """Tell the network, of the times near t, the one whose noise variance is nearest to the variance of x."""

    window: int = Field(ge=1, le=MOST_STEPS)
    """The times from t - window // 2 to t + window // 2 are tried, a step apart. With 1 only t is."""
    cutoff: int = Field(ge=0, le=MOST_STEPS)
    """The network is told t itself at this time and below, where the images' own variance is no longer small."""


def fitting_times(x: Tensor, t: Array, shift: TimeShift, schedule: Schedule, first: float) -> Array:
    """The time that the network is told for each image, (B,).

    An image's variance is that of its values, and the noise's is sigma^2, as in the authors' code. Noise levels stay
    those of t. At the start x is the noise that was drawn, so nothing is shifted there. Of times that fit equally
    well, the one nearest to t is told.

    Args:
        x: (B, C, H, W).
        t: where x is on its way, (B,).
        shift: the window and the cut-off.
        schedule: the noise levels; no time outside t_min to t_max is told.
        first: where sampling starts.
    """
    moves = (t > shift.cutoff) & (t < first)
    if not moves.any():
        return t
    steps = sorted(range(-(shift.window // 2), shift.window // 2 + 1), key=abs)
    times = np.clip(t[:, None] + np.array(steps), schedule.t_min, schedule.t_max)
    variance = x.flatten(1).var(1).cpu().double().numpy()
    nearest = np.abs(schedule.sigma(times) ** 2 - variance[:, None]).argmin(1)
    return np.where(moves, times[np.arange(len(t)), nearest], t)
