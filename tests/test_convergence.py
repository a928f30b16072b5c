"""Orders of convergence on an analytic Gaussian mixture, and one answer of all solvers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from mixtures import SmoothSchedule
from solving import GRIDS, MIXTURE, SCHEDULE_NAMES, no_noise, schedule_named, start
from torch import Tensor

from etsdm.diffusion.schedules import make_schedule
from etsdm.solvers.ddim import ddim
from etsdm.solvers.dpm_solver import dpm_solver
from etsdm.solvers.dpm_solver_pp import dpm_solver_pp
from etsdm.solvers.dpm_solver_pp import step_orders as multistep_orders
from etsdm.solvers.grids import time_grid

STRAIGHT = make_schedule("flow", 1000, 64, "continuous")


def final_errors(solve: Callable[[list[float]], Tensor], steps: list[int], schedule) -> np.ndarray:
    ends = (float(schedule.lambda_(t)) for t in (schedule.t_max, schedule.t_stop))
    exact = MIXTURE.flow(start(), *ends, straight=schedule is STRAIGHT)
    grids = [time_grid("log-snr", schedule, k + 1).tolist() for k in steps]
    return np.array([float((solve(times) - exact).abs().max()) for times in grids])


FIXED_ORDER = {
    "ddim": lambda p, s, x, times: ddim(p, s, x, times, 0.0, no_noise),
    "dpm-solver-1": lambda p, s, x, times: dpm_solver(p, s, x, times, [1] * (len(times) - 1)),
    "dpm-solver-2": lambda p, s, x, times: dpm_solver(p, s, x, times, [2] * (len(times) - 1)),
    "dpm-solver-3": lambda p, s, x, times: dpm_solver(p, s, x, times, [3] * (len(times) - 1)),
    "dpm-solver++-2m": lambda p, s, x, times: dpm_solver_pp(p, s, x, times, multistep_orders(len(times) - 1, 2, False)),
    "dpm-solver++-3m": lambda p, s, x, times: dpm_solver_pp(p, s, x, times, multistep_orders(len(times) - 1, 3, False)),
}


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("ddim", 1),
        ("dpm-solver-1", 1),
        ("dpm-solver-2", 2),
        ("dpm-solver-3", 3),
        ("dpm-solver++-2m", 2),
        ("dpm-solver++-3m", 3),
    ],
)
@pytest.mark.parametrize("schedule", [SmoothSchedule(), STRAIGHT], ids=["linear", "flow"])
def test_order_of_convergence(schedule, name, order):
    predict = MIXTURE.predictor(schedule)
    errors = final_errors(lambda times: FIXED_ORDER[name](predict, schedule, start(), times), [40, 80, 160], schedule)
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), order, atol=0.2)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize(("grid", "steps"), [("uniform", 800), ("quadratic", 100)])
def test_order_of_convergence_with_inner_times_on_the_grid(grid, steps, order):
    schedule = SmoothSchedule()
    exact = MIXTURE.flow(start(), float(schedule.lambda_(999.0)), float(schedule.lambda_(0.0)))
    errors = []
    for k in (steps, 2 * steps):
        times = time_grid(grid, schedule, k + 1).tolist()
        solution = dpm_solver(MIXTURE.predictor(schedule), schedule, start(), times, [order] * k, grid)
        errors.append(float((solution - exact).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
def test_all_solvers_find_one_answer_on_the_real_schedules(schedule):
    schedule = schedule_named(schedule)
    predict = MIXTURE.predictor(schedule)
    straight = schedule.name == "flow"
    exact = MIXTURE.flow(start(), float(schedule.lambda_(schedule.t_max)), float(schedule.lambda_(0.0)), straight)
    for name, fixed in FIXED_ORDER.items():
        steps, tolerance = (1500, 2e-2) if name in ("ddim", "dpm-solver-1") else (400, 2e-3)
        solution = fixed(predict, schedule, start(), time_grid("log-snr", schedule, steps + 1).tolist())
        assert float((solution - exact).abs().max()) < tolerance, name


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
def test_first_order_is_ddim(schedule, grid):
    schedule = schedule_named(schedule)
    predict = MIXTURE.predictor(schedule)
    times = time_grid(grid, schedule, 21).tolist()
    by_ddim = ddim(predict, schedule, start(), times, 0.0, no_noise)
    singlestep = dpm_solver(predict, schedule, start(), times, [1] * 20)
    multistep = dpm_solver_pp(predict, schedule, start(), times, [1] * 20)
    torch.testing.assert_close(singlestep, by_ddim, rtol=0, atol=1e-6)
    torch.testing.assert_close(multistep, by_ddim, rtol=0, atol=1e-6)
