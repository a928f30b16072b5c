"""DPM-Solver++, multistep, data prediction (Lu, Zhou, Bao, Chen, Li & Zhu 2022, "DPM-Solver++")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.grids import time_grid
from etsdm.solvers.solver import Solver, data_prediction

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.solvers.solver import Noise, Predict


class Multistep(Solver):
    """DPM-Solver++ (Lu et al. 2022), multistep, 2M and 3M."""

    order: ClassVar[int] = 40

    name: Literal["dpm-solver++-2m", "dpm-solver++-3m"]
    lower_order_final: bool = False
    """Let the last step be of order 1, against the instability near t = 0."""

    def full_order(self) -> int:
        """Evaluations with which it takes its first step of full order, see `step_orders`."""
        order = ORDERS[self.name]
        return 2 * order - 1 if self.lower_order_final else order


ORDERS = {"dpm-solver++-2m": 2, "dpm-solver++-3m": 3}


def dpm_solver_pp(
    predict: Predict, schedule: Schedule, x: Tensor, times: Sequence[float], orders: Sequence[int]
) -> Tensor:
    """From `times[0]` to `times[-1]`, the i-th step of order `orders[i]`, at one evaluation a step.

    A step of order k uses the data predictions at its start and at the k - 1 times before (algorithm 2 and
    appendix B). Raises ValueError where there are fewer.
    """
    if any(order > i + 1 for i, order in enumerate(orders)):
        raise ValueError(f"step i has only i + 1 predictions to use, so orders {list(orders)} are impossible")
    lambdas = [float(schedule.lambda_(t)) for t in times]
    history: list[Tensor] = []
    for i, order in enumerate(orders):
        history = [data_prediction(predict, schedule, x, times[i]), *history[:2]]
        sigma_ratio = float(schedule.sigma(times[i + 1]) / schedule.sigma(times[i]))
        alpha = float(schedule.alpha(times[i + 1]))
        recent = lambdas[i + 1 :: -1][: order + 1]
        x = sigma_ratio * x + alpha * data_integral(history[:order], recent)
    return x


def data_integral(history: Sequence[Tensor], lambdas: Sequence[float]) -> Tensor:
    """The integral of exp(lambda - lambda_t) x_0(lambda) over the step, newest first in both arguments.

    `history` are the last one to three data predictions, `lambdas` the step's end and then their own. Two
    make the authors' multistep second update, three their third with one difference: in their released code
    D_2 is h^2 x_0'' / 2, but phi_3 goes with h^2 x_0'', so that code is second-order accurate only.
    """
    h = lambdas[0] - lambdas[1]
    phi_1 = math.expm1(-h)
    m0 = history[0]
    if len(history) == 1:
        return -phi_1 * m0
    r0 = (lambdas[1] - lambdas[2]) / h
    d1_0 = (m0 - history[1]) / r0
    if len(history) == 2:
        return -phi_1 * (m0 + 0.5 * d1_0)
    r1 = (lambdas[2] - lambdas[3]) / h
    d1_1 = (history[1] - history[2]) / r1
    change = (d1_0 - d1_1) / (r0 + r1)
    d1, d2 = d1_0 + r0 * change, 2 * change
    phi_2 = phi_1 / h + 1
    phi_3 = phi_2 / h - 0.5
    return -phi_1 * m0 + phi_2 * d1 - phi_3 * d2


def step_orders(steps: int, order: int, lower_order_final: bool) -> list[int]:
    """Orders of `steps` steps: rising from 1 to `order` and, with `lower_order_final`, falling back to 1.

    Raises ValueError for no steps.
    """
    if steps < 1:
        raise ValueError(f"DPM-Solver++ needs at least one step, not {steps}")
    left = [steps - i if lower_order_final else order for i in range(steps)]
    return [min(order, i + 1, left[i]) for i in range(steps)]


def solve(predict: Predict, schedule: Schedule, x: Tensor, settings: Multistep, noise: Noise) -> Tensor:
    """Images from x at the start, by the settings.

    With `denoise` one of the evaluations is kept for the clean images at t_stop or t_end; without, the result is x at
    t_stop. Deterministic: `noise` is not called.
    """
    orders = step_orders(settings.budget - settings.denoise, ORDERS[settings.name], settings.lower_order_final)
    times = time_grid(settings.grid, schedule, len(orders) + 1, settings.lambda_start, settings.t_end).tolist()
    x = dpm_solver_pp(predict, schedule, x, times, orders)
    return data_prediction(predict, schedule, x, times[-1]) if settings.denoise else x
