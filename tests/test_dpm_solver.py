"""DPM-Solver: its orders and inner times, and its end point against the published algorithm written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mixtures import SmoothSchedule
from scipy.optimize import brentq
from solving import GRIDS, MIXTURE, SCHEDULE_NAMES, no_noise, schedule_named, start
from torch import Tensor
from typed import solve

from etsdm.diffusion.methods.shared_noise import SharedLevels
from etsdm.diffusion.schedules import make_schedule
from etsdm.solvers.dpm_solver import dpm_solver, inner_times, outer_times
from etsdm.solvers.dpm_solver import step_orders as singlestep_orders
from etsdm.solvers.dpm_solver_pp import dpm_solver_pp
from etsdm.solvers.dpm_solver_pp import step_orders as multistep_orders
from etsdm.solvers.grids import time_grid


@pytest.mark.parametrize(
    ("order", "lower_order_final", "steps", "expected"),
    [
        (1, False, 3, [1, 1, 1]),
        (2, False, 6, [2, 2, 2]),
        (2, False, 7, [2, 2, 2, 1]),
        (2, True, 6, [2, 2, 1, 1]),
        (2, True, 7, [2, 2, 2, 1]),
        (3, False, 9, [3, 3, 2, 1]),
        (3, False, 10, [3, 3, 3, 1]),
        (3, False, 11, [3, 3, 3, 2]),
        (3, True, 9, [3, 3, 2, 1]),
        (3, True, 11, [3, 3, 3, 1, 1]),
        (3, False, 1, [1]),
        (3, True, 2, [1, 1]),
        (3, False, 3, [2, 1]),
    ],
)
def test_singlestep_orders(order, lower_order_final, steps, expected):
    assert singlestep_orders(steps, order, lower_order_final) == expected


def test_multistep_orders():
    assert multistep_orders(5, 2, False) == [1, 2, 2, 2, 2]
    assert multistep_orders(5, 2, True) == [1, 2, 2, 2, 1]
    assert multistep_orders(6, 3, False) == [1, 2, 3, 3, 3, 3]
    assert multistep_orders(6, 3, True) == [1, 2, 3, 3, 2, 1]
    assert multistep_orders(1, 3, True) == multistep_orders(1, 2, False) == [1]


def test_outer_times_of_a_singlestep_solver():
    linear = schedule_named("linear", 101)
    assert outer_times(linear, "uniform", [3, 1, 1]) == pytest.approx([100, 40, 20, 0])
    assert outer_times(linear, "quadratic", [2, 2]) == pytest.approx([100, 25, 0])
    assert outer_times(linear, "log-snr", [3, 1]) == time_grid("log-snr", linear, 3).tolist()


def evaluated(schedule, name: str, nfe: int, **settings) -> list[float]:
    """Times at which a solver calls the network."""
    times: list[float] = []

    def predict(x: Tensor, t: float) -> Tensor:
        times.append(t)
        return x * float(schedule.sigma(t))

    solve({"name": name, "nfe": nfe, "denoise": False} | settings, predict, schedule, start(), no_noise)
    return times


@pytest.mark.parametrize(("name", "nfe"), [("dpm-solver-2", 4), ("dpm-solver-3", 4)])
@pytest.mark.parametrize(("grid", "expected"), [("uniform", [100, 75, 50, 25]), ("quadratic", [100, 56.25, 25, 6.25])])
def test_times_inside_a_step_follow_the_grid(name, nfe, grid, expected):
    """So all evaluations together are the grid, whatever the orders of the steps."""
    linear = schedule_named("linear", 101)
    for settings in ({}, {"inner_times": "grid"}):
        assert evaluated(linear, name, nfe, grid=grid, **settings) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("grid", "end"), [("uniform", 25), ("quadratic", 6.25)])
def test_times_inside_a_step_even_in_log_snr(grid, end):
    linear = schedule_named("linear", 101)
    lambdas = linear.lambda_(np.array(evaluated(linear, "dpm-solver-3", 4, grid=grid, inner_times="log-snr")))
    np.testing.assert_allclose(np.diff(lambdas), (linear.lambda_(end) - lambdas[0]) / 3, rtol=1e-10)
    lambdas = linear.lambda_(np.array(inner_times(linear, 100.0, end, 2, "log-snr")))
    np.testing.assert_allclose(lambdas, (linear.lambda_(end) + linear.lambda_(100.0)) / 2, rtol=1e-10)


def test_multistep_refuses_an_order_above_its_history():
    with pytest.raises(ValueError, match="impossible"):
        dpm_solver_pp(MIXTURE.predictor(SmoothSchedule()), SmoothSchedule(), start(), [9.0, 5.0, 0.0], [1, 3])


BETAS = np.linspace(1e-4, 0.02, 1000)
ROOT = {"uniform": 1, "quadratic": 2}


def published_eps(x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """E[eps | x] on `MIXTURE`: eps given each component, weighted by its posterior."""
    means, stds, weights = (v.numpy() for v in (MIXTURE.means, MIXTURE.stds, MIXTURE.weights))
    offsets = x[:, None, :] - alpha * means
    variances = alpha**2 * stds**2 + sigma**2
    likelihoods = weights * np.exp(-(offsets**2).sum(-1) / (2 * variances)) / variances
    posterior = likelihoods / likelihoods.sum(1, keepdims=True)
    return (posterior[:, :, None] * sigma * offsets / variances[:, None]).sum(1)


def published_end_point(grid: str, nfe: int, order: int, lambda_spaced: bool) -> np.ndarray:
    """x at t = 0 of DPM-Solver-2 or -3 with general r_1, r_2 (Lu et al. 2022, algorithms 2 and 4), in plain numpy."""

    def levels(t: float) -> tuple[float, float, float]:
        log_alpha = np.interp(t, np.arange(1000), 0.5 * np.cumsum(np.log(1 - BETAS)))
        sigma = np.sqrt(1 - np.exp(2 * log_alpha))
        return np.exp(log_alpha), sigma, log_alpha - np.log(sigma)

    def fraction(time: float, s: float, t: float) -> float:
        return (levels(time)[2] - levels(s)[2]) / (levels(t)[2] - levels(s)[2])

    def eps(x: np.ndarray, t: float) -> np.ndarray:
        return published_eps(x, *levels(t)[:2])

    every = np.linspace(999 ** (1 / ROOT[grid]), 0, nfe + 1) ** ROOT[grid]
    sizes = {2: [2] * (nfe // 2), 3: [3] * (nfe // 3) + [nfe % 3]}[order]
    x, done = start().numpy(), 0
    for k in sizes:
        s, *between, t = every[done : done + k + 1]
        if lambda_spaced:
            wanted = [i / k for i in range(1, k)]
            between = [brentq(lambda u, r=r, s=s, t=t: fraction(u, s, t) - r, t, s, xtol=1e-13) for r in wanted]
        (alpha_s, _, lambda_s), (alpha_t, sigma_t, lambda_t) = levels(s), levels(t)
        h = lambda_t - lambda_s
        r = [fraction(u, s, t) for u in between]
        e = eps(x, s)
        if k == 1:
            x = alpha_t / alpha_s * x - sigma_t * (np.exp(h) - 1) * e
        elif k == 2:
            alpha_1, sigma_1, _ = levels(between[0])
            u = alpha_1 / alpha_s * x - sigma_1 * (np.exp(r[0] * h) - 1) * e
            d = eps(u, between[0]) - e
            x = alpha_t / alpha_s * x - sigma_t * (np.exp(h) - 1) * (e + d / (2 * r[0]))
        else:
            (alpha_1, sigma_1, _), (alpha_2, sigma_2, _) = levels(between[0]), levels(between[1])
            u = alpha_1 / alpha_s * x - sigma_1 * (np.exp(r[0] * h) - 1) * e
            d = eps(u, between[0]) - e
            u = alpha_2 / alpha_s * x - sigma_2 * (np.exp(r[1] * h) - 1) * e
            u = u - sigma_2 * r[1] / r[0] * ((np.exp(r[1] * h) - 1) / (r[1] * h) - 1) * d
            d = eps(u, between[1]) - e
            x = alpha_t / alpha_s * x - sigma_t * (np.exp(h) - 1) * e
            x = x - sigma_t / r[1] * ((np.exp(h) - 1) / h - 1) * d
        done += k
    return x


@pytest.mark.parametrize("inner", ["grid", "log-snr"])
@pytest.mark.parametrize("grid", ["uniform", "quadratic"])
@pytest.mark.parametrize(("order", "nfe"), [(2, 10), (2, 20), (2, 50), (3, 10), (3, 20), (3, 50)])
def test_the_end_point_is_that_of_the_published_algorithm(order, nfe, grid, inner):
    schedule, name = schedule_named("linear"), f"dpm-solver-{order}"
    spec = {"name": name, "nfe": nfe, "grid": grid, "denoise": False, "inner_times": inner}
    end_point = solve(spec, MIXTURE.predictor(schedule), schedule, start(), no_noise)
    np.testing.assert_allclose(end_point, published_end_point(grid, nfe, order, inner == "log-snr"), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "order"), [("dpm-solver-2", 2), ("dpm-solver-3", 3)])
def test_a_cautious_first_step_from_pure_noise_is_taken_in_steps_of_order_1(name, order):
    """Under discrete cosine lambda rises from -9.9 by more than 6 in it; the steps after it keep their order."""
    schedule = schedule_named("cosine")
    predict, spec = MIXTURE.predictor(schedule), {"nfe": 20, "grid": "uniform", "denoise": False}
    orders = singlestep_orders(20, order, False)
    times = outer_times(schedule, "uniform", orders)
    inside = inner_times(schedule, times[0], times[1], order, "uniform")
    x = dpm_solver(predict, schedule, start(), [times[0], *inside, times[1]], [1] * order)
    by_hand = dpm_solver(predict, schedule, x, times[1:], orders[1:], "uniform")
    cautious, unclipped = (
        solve(spec | {"name": name, "clip_x0": clipped}, predict, schedule, start(), no_noise)
        for clipped in (True, False)
    )
    torch.testing.assert_close(cautious, by_hand, rtol=1e-12, atol=1e-12)
    assert (cautious - unclipped).abs().max() > 0.1


@pytest.mark.parametrize("grid", ["uniform", "log-snr"])
@pytest.mark.parametrize("nfe", [10, 20, 50])
@pytest.mark.parametrize("name", ["dpm-solver-2", "dpm-solver-3"])
def test_caution_changes_nothing_under_the_linear_schedule(name, nfe, grid):
    schedule = schedule_named("linear")
    spec = {"name": name, "nfe": nfe, "grid": grid, "denoise": False}
    ends = [
        solve(spec | {"clip_x0": clipped}, MIXTURE.predictor(schedule), schedule, start(), no_noise)
        for clipped in (True, False)
    ]
    assert torch.equal(*ends)


@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
@pytest.mark.parametrize("name", ["dpm-solver-2", "dpm-solver-3"])
def test_the_spacings_inside_a_step_differ_except_on_the_log_snr_grid(name, schedule):
    schedule = schedule_named(schedule)

    def end(grid: str, inner: str) -> Tensor:
        spec = {"name": name, "nfe": 20, "grid": grid, "denoise": False, "inner_times": inner}
        return solve(spec, MIXTURE.predictor(schedule), schedule, start(), no_noise)

    torch.testing.assert_close(end("log-snr", "grid"), end("log-snr", "log-snr"), rtol=0, atol=1e-12)
    assert float((end("uniform", "grid") - end("uniform", "log-snr")).abs().max()) > 1e-3


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize("inner", ["grid", "log-snr"])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", ["dpm-solver-2", "dpm-solver-3"])
def test_singlestep_solvers_stay_finite_on_shared_levels(name, grid, inner, time):
    schedule = SharedLevels(make_schedule("linear", 1000, 64, time), (0.0, 20.0, 40.0, 60.0, 80.0, 100.0))
    predict = MIXTURE.predictor(schedule)
    exact = MIXTURE.flow(start(), float(schedule.lambda_(schedule.t_max)), float(schedule.lambda_(0.0)))
    spec = {"name": name, "grid": grid, "denoise": False, "inner_times": inner}
    for nfe in (4, 5, 6, 9, 20, 50, 300):
        solution = solve(spec | {"nfe": nfe}, predict, schedule, start(), no_noise)
        assert solution.isfinite().all()
    assert float((solution - exact).abs().max()) < 0.1


@pytest.mark.parametrize("spacing", GRIDS)
def test_no_time_inside_a_step_shares_the_level_of_its_start(spacing):
    schedule = SharedLevels(schedule_named("linear"), (0.0, 50.0, 100.0))
    for s, t in ((99.0, 0.0), (300.0, 50.0), (50.0, 0.0)):
        for order in (2, 3):
            inside = inner_times(schedule, s, t, order, spacing)
            assert len(inside) == order - 1 and all(t < u < s for u in inside)
            assert (schedule.lambda_(np.array(inside)) > schedule.lambda_(s)).all()
    predict = MIXTURE.predictor(schedule)
    assert dpm_solver(predict, schedule, start(), [99.0, 0.0], [3], spacing).isfinite().all()
