"""Time grids: the times a solver stops at, from the noisiest to the cleanest."""

from __future__ import annotations

from typing import Literal

import numpy as np

from etsdm.diffusion.schedules import Array, Schedule
from etsdm.diffusion.sharing import levels_below, most_times
from etsdm.errors import UserError

GridName = Literal["uniform", "quadratic", "log-snr"]


def start(schedule: Schedule, lambda_start: float | None) -> float:
    """Where sampling starts: at t_max, or where lambda_t is `lambda_start` if t_max is noisier.

    The authors of DPM-Solver start at -5.1 (their code, for cosine). The noise there is still taken to be N(0, I).
    """
    if lambda_start is None or schedule.lambda_(schedule.t_max) >= lambda_start:
        return schedule.t_max
    return float(schedule.t_of_lambda(lambda_start))


def end(schedule: Schedule, t_end: float | None) -> float:
    """Where sampling ends, before a final denoising: at t_stop, or at `t_end` if that is later."""
    return schedule.t_stop if t_end is None else max(float(t_end), schedule.t_stop)


def time_grid(
    name: str, schedule: Schedule, points: int, lambda_start: float | None = None, t_end: float | None = None
) -> np.ndarray:
    """Decreasing float64 (points,) from `start` to `end`; one point is the start alone.

    Times are real-valued and never rounded. A uniform grid of T points is exactly the integers T-1 to 0.

    Where sub-intervals share one noise level, the grid keeps to their left ends, each once; the points that this frees
    go to the times above. In discrete time they bring no times there that training does not know: where some would be
    less than a step apart, all are integers. A `t_end` inside a sub-interval stands for its left end.

    - ``uniform``: evenly spaced in t.
    - ``quadratic``: evenly spaced in sqrt(t), so dense near 0 (DDIM, Song et al. 2021, appendix D.3).
    - ``log-snr``: evenly spaced in lambda (DPM-Solver, Lu et al. 2022, section 3.4).

    Raises:
        ValueError: another name, or no points.
        UserError: more points than there are noise levels, some of which are shared.
    """
    if points < 1:
        raise ValueError(f"a time grid needs at least one point, not {points}")
    last = end(schedule, t_end)
    times = spaced(name, schedule, start(schedule, lambda_start), last, points)
    if not schedule.shared_edges:
        return times
    return _at_levels(name, schedule, times, last)


def _at_levels(name: str, schedule: Schedule, times: Array, last: float) -> Array:
    """As many `times`, each at another noise level, none below that of `last`; see `time_grid`."""
    first, edges, points = times[0], schedule.shared_edges, len(times)
    if points > (most := most_times(edges, schedule, first, last)):
        raise UserError(f"{points} times are asked of a schedule with {most:g} noise levels; ask for no more")
    left_ends = levels_below(edges, schedule, first, last)
    above = times >= edges[-1]
    below = np.unique(left_ends[np.searchsorted(left_ends, times[~above], side="right") - 1])[::-1]
    lowest = times[above][-1] if above.any() else first
    spaced_times = np.concatenate([spaced(name, schedule, first, lowest, points - len(below)), below])
    crowded = first < edges[-1] or (np.diff(spaced_times[: points - len(below)]) > -1).any()
    if most == np.inf or not crowded:
        return spaced_times
    levels = np.concatenate([left_ends, np.arange(max(edges[-1], last), np.floor(first) + 1)])
    nearest = np.where(spaced_times >= edges[-1], spaced_times.round(), spaced_times)
    return np.asarray(levels[_falling(np.searchsorted(levels, nearest, side="right") - 1)])


def _falling(places: np.ndarray) -> np.ndarray:
    """Integers that fall by 1 or more from one to the next, none below 0, near `places`, which never rise."""
    order = np.arange(len(places))
    return np.maximum(np.minimum.accumulate(places + order) - order, order[::-1])


def spaced(name: str, schedule: Schedule, first: float, last: float, points: int) -> np.ndarray:
    """Decreasing float64 (points,) from `first` to `last`; see `time_grid`."""
    if name == "uniform":
        times = np.linspace(first, last, points)
    elif name == "quadratic":
        times = np.linspace(np.sqrt(first), np.sqrt(last), points) ** 2
    elif name == "log-snr":
        times = np.asarray(schedule.t_of_lambda(np.linspace(schedule.lambda_(first), schedule.lambda_(last), points)))
    else:
        raise ValueError(f"unknown time grid {name!r}: uniform, quadratic or log-snr")
    if points:
        times[-1], times[0] = last, first  # not one rounding error off; `first` where there is one point
    return times
