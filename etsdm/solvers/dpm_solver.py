"""DPM-Solver, singlestep, noise prediction (Lu, Zhou, Bao, Chen, Li & Zhu 2022, "DPM-Solver")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from torch import Tensor

from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.grids import time_grid
from etsdm.solvers.prediction import Noise, Predict, data_prediction

ORDERS = {"dpm-solver-1": 1, "dpm-solver-2": 2, "dpm-solver-3": 3}


def dpm_solver(
    predict: Predict, schedule: Schedule, x: Tensor, times: Sequence[float], orders: Sequence[int]
) -> Tensor:
    """From `times[0]` to `times[-1]`, the i-th step, to `times[i + 1]`, of order `orders[i]`.

    A step of order k takes k evaluations: at its start, and at times inside it that follow from the schedule.
    """
    steps = {1: first_order_step, 2: second_order_step, 3: third_order_step}
    for s, t, order in zip(times[:-1], times[1:], orders, strict=True):
        x = steps[order](predict, schedule, x, s, t)
    return x


def first_order_step(predict: Predict, schedule: Schedule, x: Tensor, s: float, t: float) -> Tensor:
    """DPM-Solver-1, which is DDIM (eq. 3.7)."""
    return transfer(schedule, x, s, t, math.expm1(log_snr_step(schedule, s, t)) * predict(x, s))


def second_order_step(predict: Predict, schedule: Schedule, x: Tensor, s: float, t: float) -> Tensor:
    """DPM-Solver-2 (algorithm 1; algorithm 4 with r_1 = 1/2)."""
    h = log_snr_step(schedule, s, t)
    middle = time_inside(schedule, s, h / 2)
    eps = predict(x, s)
    eps_middle = predict(transfer(schedule, x, s, middle, math.expm1(h / 2) * eps), middle)
    return transfer(schedule, x, s, t, math.expm1(h) * eps_middle)


def third_order_step(predict: Predict, schedule: Schedule, x: Tensor, s: float, t: float) -> Tensor:
    """DPM-Solver-3 (algorithm 2, with r_1 = 1/3 and r_2 = 2/3)."""
    r1, r2 = 1 / 3, 2 / 3
    h = log_snr_step(schedule, s, t)
    s1, s2 = time_inside(schedule, s, r1 * h), time_inside(schedule, s, r2 * h)
    eps = predict(x, s)
    d1 = predict(transfer(schedule, x, s, s1, math.expm1(r1 * h) * eps), s1) - eps
    u2 = math.expm1(r2 * h) * eps + r2 / r1 * (math.expm1(r2 * h) / (r2 * h) - 1) * d1
    d2 = predict(transfer(schedule, x, s, s2, u2), s2) - eps
    return transfer(schedule, x, s, t, math.expm1(h) * eps + (math.expm1(h) / h - 1) / r2 * d2)


def transfer(schedule: Schedule, x: Tensor, s: float, t: float, integral: Tensor) -> Tensor:
    """The exact solution (eq. 3.4), alpha_t / alpha_s x_s - sigma_t * integral.

    `integral` is that of exp(lambda_t - lambda) eps over lambda from lambda_s to lambda_t.
    """
    ratio = math.exp(float(schedule.log_alpha(t) - schedule.log_alpha(s)))
    return ratio * x - float(schedule.sigma(t)) * integral


def log_snr_step(schedule: Schedule, s: float, t: float) -> float:
    """h = lambda_t - lambda_s."""
    return float(schedule.lambda_(t) - schedule.lambda_(s))


def time_inside(schedule: Schedule, s: float, step: float) -> float:
    """The time whose lambda is `step` above that of s."""
    return float(schedule.t_of_lambda(schedule.lambda_(s) + step))


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


def outer_times(schedule: Schedule, grid: str, orders: Sequence[int]) -> list[float]:
    """Times at which the steps begin and end, one more than there are steps.

    On the log-SNR grid the steps are equal; of another grid, with an interval for every evaluation, a step of
    order k takes k intervals (as in the authors' code).
    """
    if grid == "log-snr":
        return time_grid(grid, schedule, len(orders) + 1).tolist()
    times = time_grid(grid, schedule, sum(orders) + 1)
    return times[list(accumulate(orders, initial=0))].tolist()


def solve(predict: Predict, schedule: Schedule, x: Tensor, spec: dict[str, Any], noise: Noise) -> Tensor:
    """Images from x at t_max, by the `name`, `grid`, `nfe`, `denoise` and `lower_order_final` of the spec.

    With `denoise` one of the evaluations is kept for the clean images at t_min; without, the result is x at
    t_min. Deterministic: `noise` is not called.
    """
    orders = step_orders(spec["nfe"] - spec["denoise"], ORDERS[spec["name"]], spec.get("lower_order_final", False))
    times = outer_times(schedule, spec["grid"], orders)
    x = dpm_solver(predict, schedule, x, times, orders)
    return data_prediction(predict, schedule, x, times[-1]) if spec["denoise"] else x
