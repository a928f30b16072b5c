"""E-TSDM's sharing: sub-intervals of time in which the network is told one and the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from etsdm.diffusion.conditions import Condition
from etsdm.diffusion.schedules import Array, Schedule


@dataclass(frozen=True)
class Shared:
    """E-TSDM's condition (Yang et al. 2024, equation 7): time shared inside sub-intervals of [0, t_tilde).

    f(t) is the left end of t's sub-interval for t < t_tilde, and t itself from t_tilde on.

    Args:
        jumps: 0 = t_0 < t_1 < ... < t_n = t_tilde, the edges of the sub-intervals.
    """

    jumps: tuple[float, ...]

    def __call__(self, t: Array) -> Array:
        ends, t = np.asarray(self.jumps, dtype=np.float64), np.asarray(t, dtype=np.float64)
        return np.where(t < ends[-1], ends[np.searchsorted(ends, t, side="right") - 1], t)


def shared(edges: Sequence[float]) -> Condition:
    """The condition `Shared` of these edges."""
    return Shared(tuple(edges))


def levels_below(edges: Sequence[float], schedule: Schedule, first: float, last: float) -> Array:
    """The left ends, rising, that training tells the network for times from `last` up to `first`, below t_tilde.

    In discrete time a sub-interval without an integer is never trained. In continuous time nothing below t_min is.
    """
    ends = np.asarray(edges, dtype=np.float64)
    inside = np.arange(np.ceil(last), first + 1) if schedule.whole else np.clip(ends, last, first)
    return np.unique(shared(edges)(inside[inside < ends[-1]]))


def most_times(edges: Sequence[float], schedule: Schedule, first: float, last: float) -> float:
    """How many noise levels training knows from `first` down to `last`, where sub-intervals share one each.

    Infinite in continuous time, unless all times are shared.
    """
    above = first - max(edges[-1], last)
    if above > 0 and not schedule.whole:
        return np.inf
    return len(levels_below(edges, schedule, first, last)) + max(0, int(np.floor(above)) + 1)


def partition(kind: str | Sequence[float], t_tilde: float, n: int, schedule: Schedule) -> list[float]:
    """Edges of the sub-intervals of [0, t_tilde).

    - ``uniform``: of equal length (Yang et al. 2024).
    - ``sigma``: of equal steps of sigma_t, which makes the largest jump of the noise level, d_sigma_max in the paper's
      error bound, as small as n sub-intervals can.
    - a list: the left ends themselves, 0 first.

    Raises:
        ValueError: another name.
    """
    if not isinstance(kind, str):
        return [*map(float, kind), float(t_tilde)]
    if kind == "uniform":
        return [i * t_tilde / n for i in range(n + 1)]
    if kind == "sigma":
        times = np.linspace(schedule.t_min, t_tilde, 10_001)
        levels = np.linspace(schedule.sigma(schedule.t_min), schedule.sigma(t_tilde), n + 1)[1:-1]
        return [0.0, *np.interp(levels, schedule.sigma(times), times).tolist(), float(t_tilde)]
    raise ValueError(f"unknown partition {kind!r}: uniform, sigma or a list of left ends")
