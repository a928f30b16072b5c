"""DPM-Solver, singlestep, noise prediction (Lu, Zhou, Bao, Chen, Li & Zhu 2022, "DPM-Solver")."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.grids import spaced, time_grid
from etsdm.solvers.solver import Solver, data_prediction

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.solvers.solver import Noise, Predict

ORDERS = {"dpm-solver-1": 1, "dpm-solver-2": 2, "dpm-solver-3": 3}


class FirstOrder(Solver):
    """DPM-Solver of order 1 (Lu et al. 2022)."""

    order: ClassVar[int] = 30

    name: Literal["dpm-solver-1"]


class Singlestep(Solver):
    """DPM-Solver of orders 2 and 3 (Lu et al. 2022), singlestep."""

    order: ClassVar[int] = 30
    stops_inside: ClassVar[bool] = True

    name: Literal["dpm-solver-2", "dpm-solver-3"]
    lower_order_final: bool = False
    """Let the last step be of order 1, against the instability near t = 0."""
    inner_times: Literal["grid", "log-snr"] = "grid"
    """How the times inside a step are spaced: as those of `grid`, which the authors' code does, or evenly in lambda_t.
    With `grid: log-snr` both are the same."""

    def full_order(self) -> int:
        """Evaluations with which it takes its first step of full order, see `step_orders`."""
        return 4 if self.name == "dpm-solver-3" else 2 + self.lower_order_final


def dpm_solver(
    predict: Predict,
    schedule: Schedule,
    x: Tensor,
    times: Sequence[float],
    orders: Sequence[int],
    spacing: str = "log-snr",
    cautious: bool = False,
) -> Tensor:
    """From `times[0]` to `times[-1]`, the i-th step, to `times[i + 1]`, of order `orders[i]`.

    A step of order k takes k evaluations: at its start, and at k - 1 times inside it, spaced as on the grid `spacing`.
    Steps must rise in lambda. With `cautious`, a step that is too long at high noise is taken in k steps of order 1.
    """
    steps: dict[int, Callable[..., Tensor]] = {1: first_order_step, 2: second_order_step, 3: third_order_step}
    for s, t, order in zip(times[:-1], times[1:], orders, strict=True):
        inside = inner_times(schedule, s, t, order, spacing)
        if cautious and _too_long(schedule, s, t):
            for start, end in pairwise([s, *inside, t]):
                x = first_order_step(predict, schedule, x, start, end)
        else:
            x = steps[order](predict, schedule, x, s, t, *inside)
    return x


LONGEST = 3.0
"""A rise of lambda in one step, at high noise, beyond which a high order is of no use: alpha / sigma grows 20-fold."""


def _too_long(schedule: Schedule, s: float, t: float) -> bool:
    """Whether a step starts with more noise than signal and rises by more than `LONGEST` in lambda.

    The terms of higher order extrapolate what was predicted next to pure noise, by a factor of alpha_t / alpha_s. No
    clipping of single predictions bounds that.
    """
    return float(schedule.lambda_(s)) < 0 and log_snr_step(schedule, s, t) > LONGEST


def inner_times(schedule: Schedule, s: float, t: float, order: int, spacing: str) -> list[float]:
    """The order - 1 times that a step from s to t evaluates after s, spaced as on a grid from s to t.

    Spaced in lambda they are those of Lu et al. (2022, section 3.2), r_1 = 1/2, or r_1 = 1/3 and r_2 = 2/3. On another
    grid their r_i follow from their lambda, as in the authors' code. A time that shares the noise level of s tells the
    solver nothing of the step (r_i = 0), so all are then spaced in lambda.
    """
    times = spaced(spacing, schedule, s, t, order + 1)[1:-1]
    if (schedule.lambda_(times) <= schedule.lambda_(s)).any():
        times = spaced("log-snr", schedule, s, t, order + 1)[1:-1]
    return times.tolist()


def first_order_step(predict: Predict, schedule: Schedule, x: Tensor, s: float, t: float) -> Tensor:
    """DPM-Solver-1, which is DDIM (eq. 3.7)."""
    return transfer(schedule, x, s, t, math.expm1(log_snr_step(schedule, s, t)) * predict(x, s))


def second_order_step(predict: Predict, schedule: Schedule, x: Tensor, s: float, t: float, s1: float) -> Tensor:
    """DPM-Solver-2 (algorithm 4, with the r_1 of s1; algorithm 1 where that is 1/2)."""
    h, h1 = log_snr_step(schedule, s, t), log_snr_step(schedule, s, s1)
    eps = predict(x, s)
    d1 = predict(transfer(schedule, x, s, s1, math.expm1(h1) * eps), s1) - eps
    return transfer(schedule, x, s, t, math.expm1(h) * (eps + h / (2 * h1) * d1))


def third_order_step(
    predict: Predict, schedule: Schedule, x: Tensor, s: float, t: float, s1: float, s2: float
) -> Tensor:
    """DPM-Solver-3 (algorithm 2, with the r_1 and r_2 of s1 and s2 instead of 1/3 and 2/3)."""
    h, h1, h2 = (log_snr_step(schedule, s, end) for end in (t, s1, s2))
    eps = predict(x, s)
    d1 = predict(transfer(schedule, x, s, s1, math.expm1(h1) * eps), s1) - eps
    u2 = math.expm1(h2) * eps + h2 / h1 * (math.expm1(h2) / h2 - 1) * d1
    d2 = predict(transfer(schedule, x, s, s2, u2), s2) - eps
    return transfer(schedule, x, s, t, math.expm1(h) * eps + h / h2 * (math.expm1(h) / h - 1) * d2)


def transfer(schedule: Schedule, x: Tensor, s: float, t: float, integral: Tensor) -> Tensor:
    """The exact solution (eq. 3.4), alpha_t / alpha_s x_s - sigma_t * integral.

    `integral` is that of exp(lambda_t - lambda) eps over lambda from lambda_s to lambda_t.
    """
    ratio = math.exp(float(schedule.log_alpha(t) - schedule.log_alpha(s)))
    return ratio * x - float(schedule.sigma(t)) * integral


def log_snr_step(schedule: Schedule, s: float, t: float) -> float:
    """h = lambda_t - lambda_s."""
    return float(schedule.lambda_(t) - schedule.lambda_(s))


def step_orders(steps: int, order: int, lower_order_final: bool) -> list[int]:
    """Orders of the steps that spend exactly `steps` evaluations (the paper's DPM-Solver-fast for order 3).

    As many steps of the wanted order as fit, then what is left; order 3 keeps its last step below 3. With
    `lower_order_final` a last step of order k > 1 gives way to one of order k - 1 and one of order 1.
    Raises ValueError for fewer than one evaluation.
    """
    if steps < 1:
        raise ValueError(f"DPM-Solver needs at least one evaluation for its steps, not {steps}")
    whole, rest = divmod(steps, order)
    orders = [order] * whole + [rest] * (rest > 0)
    if order == 3 and rest == 0:
        orders[-1:] = [2, 1]
    if lower_order_final and orders[-1] > 1:
        orders[-1:] = [orders[-1] - 1, 1]
    return orders


def outer_times(
    schedule: Schedule,
    grid: str,
    orders: Sequence[int],
    lambda_start: float | None = None,
    t_end: float | None = None,
) -> list[float]:
    """Times at which the steps begin and end, one more than there are steps.

    On the log-SNR grid the steps are equal; of another grid, with an interval for every evaluation, a step of
    order k takes k intervals (as in the authors' code).
    """
    if grid == "log-snr":
        return time_grid(grid, schedule, len(orders) + 1, lambda_start, t_end).tolist()
    times = time_grid(grid, schedule, sum(orders) + 1, lambda_start, t_end)
    return times[list(accumulate(orders, initial=0))].tolist()


def solve(predict: Predict, schedule: Schedule, x: Tensor, settings: FirstOrder | Singlestep, noise: Noise) -> Tensor:
    """Images from x at the start, by the settings.

    With `denoise` one of the evaluations is kept for the clean images at t_stop or t_end; without, the result is x at
    t_stop. Deterministic: `noise` is not called. Where `predict` clips x_0 (`clip_x0`), steps are `cautious`; where it
    does not, they are the authors'.
    """
    lower_order_final = isinstance(settings, Singlestep) and settings.lower_order_final
    orders = step_orders(settings.budget - settings.denoise, ORDERS[settings.name], lower_order_final)
    times = outer_times(schedule, settings.grid, orders, settings.lambda_start, settings.t_end)
    inner = settings.inner_times if isinstance(settings, Singlestep) else "grid"
    spacing = settings.grid if inner == "grid" else inner
    x = dpm_solver(predict, schedule, x, times, orders, spacing, cautious=settings.clip_x0 is True)
    return data_prediction(predict, schedule, x, times[-1]) if settings.denoise else x
