"""The paper's theory on data where everything is exact: Gaussian mixtures, with no network (Yang et al. 2024).

(a) How || d eps*(x, t)/dt || behaves near t = 0, which is the singularity the paper is about.
(b) E-TSDM's error || eps*(x, f(t)) - eps*(x, t) || against the paper's bound sigma_t~ K(x) dt + B(x) d_sigma_max.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from etsdm.config.spec import Spec
from etsdm.config.strict import MOST_STEPS, Steps, Strict
from etsdm.diffusion.schedules import Array, Schedule, make_schedule
from etsdm.diffusion.settings import Schedules, Times
from etsdm.diffusion.sharing import partition, shared

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.diffusion.mixtures import GaussianMixture

RESOLUTION = 256
"""Of the paper's images, in pixels; only cosine-shift depends on it."""
CURVE = np.geomspace(1e-5, 0.9, 60)
"""Times of the curve of (a), in units of T."""
NEAR_ZERO = 1e-4
"""Up to here, in units of T, the power of t is fitted: below it every schedule of ours follows its leading term."""
AT_ZERO = 1e-7
"""Where d alpha/dt at 0 is read off, in units of T."""
INTERVALS = 100
"""Of equal length in [0, t_tilde], at whose ends (b) looks in continuous time."""


class Singularity(Strict):
    """Where the singularity at t = 0 and the error bound are looked at."""

    schedules: Schedules
    """Noise schedules."""
    times: Times
    """Discrete or continuous time."""
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """End of the shared interval, in steps."""
    n: Steps = Field([1, 2, 4, 5, 10, 20, 50, 100])
    """Numbers of sub-intervals."""
    points: int = Field(256, ge=2, le=1_000_000)
    """Samples x_t at each time."""


class TheorySpec(Singularity, Spec):
    """The theory of one T."""

    timesteps: int = Field(ge=50, le=MOST_STEPS)


def theory(spec: TheorySpec, progress: bool = True) -> dict[str, Any]:
    """The singularity at t = 0 and E-TSDM's error bound, for each schedule and for its flattened form.

    Times, and 1 / slopes, are in steps. Expectations run over x ~ q_t, drawn from the same x_0 and noise at every t.
    Part (a) is always in continuous time: in discrete time alpha_t is only interpolated between the integers, so its
    derivative there is the interpolation's.

    Args:
        spec: what to compute.
        progress: show a progress bar.

    Returns:
        {"n": samples, "dimension", "t_tilde", "derivative": [`derivative` of each schedule], "sharing": [`sharing` of
        each schedule and time]}, both with their "schedule" and whether it is "flattened", the latter with its "time".

    Raises:
        UserError: an unknown schedule.
    """
    import torch
    from tqdm import tqdm

    from etsdm.diffusion.mixtures import GaussianMixture

    mixture = GaussianMixture()
    generator = torch.Generator().manual_seed(0)
    x0 = mixture.sample(spec.points, generator)
    eps = torch.randn(x0.shape, dtype=torch.float64, generator=generator)
    tables: dict[str, list[dict[str, Any]]] = {"derivative": [], "sharing": []}
    cases = list(product(spec.schedules, (False, True), spec.times))
    for name, flat, time in tqdm(cases, "theory", unit=" schedules", disable=not progress):
        label = {"schedule": name, "flattened": flat}
        if time == spec.times[0]:
            continuous = _schedule(spec, name, "continuous", flat)
            tables["derivative"].append(label | derivative(mixture, continuous, x0, eps))
        schedule = _schedule(spec, name, time, flat)
        times = sharing_times(time, spec.t_tilde, spec.n)
        tables["sharing"].append(
            label | {"time": time} | sharing(mixture, schedule, times, spec.t_tilde, spec.n, x0, eps)
        )
    return {"n": len(x0), "dimension": x0.shape[1], "t_tilde": spec.t_tilde} | tables


def _schedule(spec: TheorySpec, name: str, time: str, flat: bool) -> Schedule:
    schedule = make_schedule(name, spec.timesteps, RESOLUTION, time)
    return schedule.flattened(spec.t_tilde) if flat else schedule


# ---------------------------------------------------------------- (a) the derivative near zero


def log_alpha_slope(schedule: Schedule, t: float) -> float:
    """d log alpha/dt by a central difference: exact but for rounding where log alpha is quadratic in t."""
    step = 0.05 * min(t, schedule.timesteps - t)
    return float(schedule.log_alpha(t + step) - schedule.log_alpha(t - step)) / (2 * step)


def noise_slope(mixture: GaussianMixture, schedule: Schedule, x: Tensor, t: float) -> Tensor:
    """d eps*(x, t)/dt at fixed x, both (N, D): d eps*/d log alpha, by forward-mode differentiation, times its slope."""
    import torch

    def eps(alpha: Tensor, sigma: Tensor) -> Tensor:
        return mixture.eps(x, alpha, sigma)

    log_alpha = schedule.log_alpha(t)
    levels = (schedule.alpha(t), schedule.sigma(t))
    slopes = (schedule.alpha(t), schedule.levels.sigma_slope(log_alpha))
    both = ([torch.tensor(float(value), dtype=torch.float64) for value in values] for values in (levels, slopes))
    slope: Tensor = torch.func.jvp(eps, *map(tuple, both))[1]
    return slope * log_alpha_slope(schedule, t)


def derivative(mixture: GaussianMixture, schedule: Schedule, x0: Tensor, eps: Tensor) -> dict[str, Any]:
    """|| d eps*(x, t)/dt || against t, and what becomes of it as t falls to 0.

    Where d alpha/dt is not 0 at t = 0, sigma grows like sqrt(t) and the derivative like t^(-1/2) (Yang et al. 2024,
    section 3.1); where it is 0 the derivative stays bounded.

    Returns:
        {"alpha_slope": d alpha/dt at 0, "exponent": p of the fit E || . || ~ t^p near 0, "diverges": p < -1/4,
        "points": [{"t", "mean", "std"}] over samples}.
    """
    from etsdm.diffusion.predictor import diffuse_to

    times = CURVE * schedule.timesteps
    norms = [noise_slope(mixture, schedule, diffuse_to(schedule, x0, eps, t), t).norm(dim=1) for t in times]
    means = np.array([norm.mean().item() for norm in norms])
    near, zero = CURVE <= NEAR_ZERO, AT_ZERO * schedule.timesteps
    exponent = float(np.polyfit(np.log(times[near]), np.log(means[near]), 1)[0])
    return {
        "alpha_slope": float(np.expm1(schedule.log_alpha(zero)) / zero),
        "exponent": exponent,
        "diverges": exponent < -0.25,
        "points": [
            {"t": float(t), "mean": norm.mean().item(), "std": norm.std().item()}
            for t, norm in zip(times, norms, strict=True)
        ],
    }


# ---------------------------------------------------------------- (b) the error of sharing


def sharing_times(time: str, t_tilde: float, counts: list[int]) -> Array:
    """The times in [0, t_tilde) at which (b) looks, 0 first.

    In discrete time the integers; in continuous time those just before the ends of INTERVALS equal intervals and of
    every sub-interval of the `counts`, where E-TSDM's error is about to fall.
    """
    if time == "discrete":
        return np.arange(t_tilde, dtype=np.float64)
    ends = np.concatenate([np.linspace(0, t_tilde, count + 1) for count in [INTERVALS, *counts]])
    _, once = np.unique(ends.round(9), return_index=True)
    return np.asarray(ends[once] * (1 - 1e-12))


def sharing(
    mixture: GaussianMixture,
    schedule: Schedule,
    times: Array,
    t_tilde: float,
    counts: list[int],
    x0: Tensor,
    eps: Tensor,
) -> dict[str, Any]:
    """E-TSDM's error and its bound (Yang et al. 2024, section 3.3) over t in `times` and x ~ q_t, for each n.

    K(x) is the Lipschitz constant in t of the score at x, and B(x) the largest norm of the score at x, both over
    `times`: the largest difference quotient is that of two neighbours. So the bound is exact on `times`.

    Returns:
        {"K", "B": largest over the samples, "order": `order`, "points": [{"n", "dt", "sigma_jump",
        "error_max", "error_mean", "bound_max", "bound_mean", "ratio_max": largest error / bound of a sample}]}.
    """
    import torch

    from etsdm.diffusion.predictor import diffuse_to

    x = torch.stack([diffuse_to(schedule, x0, eps, t) for t in times])
    constants = [score_constants(mixture, schedule, times, points) for points in x]
    k, b = (torch.stack(values) for values in zip(*constants, strict=True))
    exact = _best_noise(mixture, schedule, x, times)
    points = []
    for n in counts:
        left = shared(partition("uniform", t_tilde, n, schedule))(times)
        error = (_best_noise(mixture, schedule, x, left) - exact).norm(dim=-1)
        jump = float((schedule.sigma(times) - schedule.sigma(left)).max())
        bound = float(schedule.sigma(t_tilde)) * k * (t_tilde / n) + b * jump
        points.append(
            {
                "n": n,
                "dt": t_tilde / n,
                "sigma_jump": jump,
                "error_max": error.max().item(),
                "error_mean": error.mean().item(),
                "bound_max": bound.max().item(),
                "bound_mean": bound.mean().item(),
                "ratio_max": (error / bound).max().item(),
            }
        )
    return {"K": k.max().item(), "B": b.max().item(), "order": order(points), "points": points}


def order(points: list[dict[str, Any]]) -> float | None:
    """p of the fit error_max ~ dt^p over the points with an error; None below two of them.

    In discrete time there is no error where each sub-interval holds a single step.
    """
    logs = np.log([(point["dt"], point["error_max"]) for point in points if point["error_max"]])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]) if len(logs) > 1 else None


def _levels(schedule: Schedule, times: Array) -> tuple[Tensor, Tensor]:
    import torch

    return torch.from_numpy(schedule.alpha(times))[:, None], torch.from_numpy(schedule.sigma(times))[:, None]


def _best_noise(mixture: GaussianMixture, schedule: Schedule, x: Tensor, times: Array) -> Tensor:
    return mixture.eps(x, *_levels(schedule, times))


def score_constants(mixture: GaussianMixture, schedule: Schedule, times: Array, x: Tensor) -> tuple[Tensor, Tensor]:
    """K(x) in 1/steps and B(x), each (N,), of points x (N, D): see `sharing`."""
    import torch

    scores = mixture.score(x, *_levels(schedule, times))
    steps = torch.from_numpy(np.diff(times))[:, None]
    return (scores.diff(dim=0).norm(dim=-1) / steps).amax(0), scores.norm(dim=-1).amax(0)
