"""Time grids: the times a solver stops at, from the noisiest to the cleanest."""

from __future__ import annotations

import numpy as np

from etsdm.diffusion.schedules import Schedule


def time_grid(name: str, schedule: Schedule, points: int) -> np.ndarray:
    """Decreasing float64 (points,) from `schedule.t_max` to `schedule.t_min`; one point is `t_max` alone.

    Times are real-valued and never rounded. A uniform grid of T points is exactly the integers T-1 to 0.

    Where sub-intervals share one noise level, the grid keeps to their left ends, each once; the points that this frees
    go to the times above.

    - ``uniform``: evenly spaced in t.
    - ``quadratic``: evenly spaced in sqrt(t), so dense near 0 (DDIM, Song et al. 2021, appendix D.3).
    - ``log-snr``: evenly spaced in lambda (DPM-Solver, Lu et al. 2022, section 3.4).

    Raises ValueError for another name or for no points.
    """
    if points < 1:
        raise ValueError(f"a time grid needs at least one point, not {points}")
    times = spaced(name, schedule, schedule.t_max, schedule.t_min, points)
    if not schedule.shared_edges:
        return times
    edges = np.asarray(schedule.shared_edges)
    above = times >= edges[-1]
    below = np.unique(edges[np.searchsorted(edges, times[~above], side="right") - 1])[::-1]
    lowest = times[above][-1] if above.any() else schedule.t_max
    return np.concatenate([spaced(name, schedule, schedule.t_max, lowest, points - len(below)), below])


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
