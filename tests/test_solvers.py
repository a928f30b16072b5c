"""Solvers against an analytic Gaussian mixture, formulas worked by hand, and each other."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from mixtures import GaussianMixture, SmoothSchedule, column
from scipy.optimize import brentq
from torch import Tensor
from typed import solve, solver

from etsdm.diffusion.methods.shared_noise import SharedLevels
from etsdm.diffusion.schedules import make_schedule
from etsdm.solvers import SOLVERS
from etsdm.solvers.ancestral import ancestral
from etsdm.solvers.ddim import ddim
from etsdm.solvers.dpm_solver import dpm_solver, inner_times, outer_times
from etsdm.solvers.dpm_solver import step_orders as singlestep_orders
from etsdm.solvers.dpm_solver_pp import dpm_solver_pp
from etsdm.solvers.dpm_solver_pp import step_orders as multistep_orders
from etsdm.solvers.grids import time_grid

SCHEDULE_NAMES = ["linear", "quadratic", "cosine", "cosine-shift", "zero-terminal-snr", "flow"]
GRIDS = ["uniform", "quadratic", "log-snr"]
MIXTURE = GaussianMixture()


def schedule_named(name: str, timesteps: int = 1000):
    return make_schedule(name, timesteps, 64)


def start(n: int = 8, dimensions: int = 2) -> Tensor:
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def noise_like(x: Tensor, seed: int = 1) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(x.shape, generator=generator, dtype=x.dtype)


def no_noise() -> Tensor:
    raise AssertionError("a deterministic solver asked for noise")


# Time grids


def test_uniform_grid_of_all_points_is_the_integers():
    for timesteps in (100, 1000, 4000):
        times = time_grid("uniform", schedule_named("linear", timesteps), timesteps)
        np.testing.assert_array_equal(times, np.arange(timesteps)[::-1])


def test_grids_by_hand():
    linear = schedule_named("linear", 101)
    np.testing.assert_allclose(time_grid("uniform", linear, 5), [100, 75, 50, 25, 0], rtol=1e-15)
    np.testing.assert_allclose(time_grid("quadratic", linear, 5), [100, 56.25, 25, 6.25, 0], rtol=1e-15)
    # Two steps meet where the odds alpha^2 / sigma^2 are the geometric mean of those at the ends.
    odds = linear.alphas**2 / linear.sigmas**2
    middle = time_grid("log-snr", linear, 3)[1]
    alpha = linear.alphas[int(middle)] ** (1 - middle % 1) * linear.alphas[int(middle) + 1] ** (middle % 1)
    assert alpha**2 / (1 - alpha**2) == pytest.approx(math.sqrt(odds[0] * odds[-1]), rel=1e-10)


@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
@pytest.mark.parametrize("grid", GRIDS)
def test_grids_fall_from_t_max_to_t_min(grid, schedule):
    schedule = schedule_named(schedule)
    assert time_grid(grid, schedule, 1).tolist() == [schedule.t_max]
    for points in (2, 3, 21, 101):
        times = time_grid(grid, schedule, points)
        assert times.dtype == np.float64 and times.shape == (points,)
        assert times[0] == schedule.t_max and times[-1] == 0
        assert (np.diff(times) < 0).all()


@pytest.mark.parametrize(("time", "asked"), [("discrete", -5.1), ("continuous", -4.7)])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", ["cosine", "cosine-shift", "zero-terminal-snr"])
def test_grids_start_where_lambda_is_asked_to_be(name, grid, time, asked):
    schedule = make_schedule(name, 1000, 64, time)
    assert schedule.lambda_(schedule.t_max) < asked
    for points in (1, 2, 20):
        times = time_grid(grid, schedule, points, asked)
        assert schedule.lambda_(times[0]) == pytest.approx(asked, abs=1e-9)
        assert (np.diff(times) < 0).all() and (points == 1 or times[-1] == schedule.t_min)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_start_that_is_noisier_than_t_max_changes_nothing(grid):
    schedule = schedule_named("linear")
    assert schedule.lambda_(schedule.t_max) > -5.1
    for asked in (-5.1, -9.0):
        assert time_grid(grid, schedule, 20, asked).tolist() == time_grid(grid, schedule, 20).tolist()


@pytest.mark.parametrize("name", SOLVERS.names())
def test_every_solver_starts_where_it_is_asked_to(name):
    schedule, asked = schedule_named("cosine"), []

    def predict(x: Tensor, t: float) -> Tensor:
        asked.append(t)
        return MIXTURE.predictor(schedule)(x, t)

    spec = {"name": name, "nfe": 100, "grid": "log-snr", "denoise": True, "variance": "fixed-small", "eta": 0.0}
    spec |= {"lower_order_final": True, "lambda_start": -5.1}
    found = solve(spec, predict, schedule, start(), noise_like(start()))
    assert float(schedule.lambda_(asked[0])) == pytest.approx(-5.1, abs=1e-9) and len(asked) == 100
    if name != "ancestral":  # the exact flow from there is known
        exact = MIXTURE.flow(start(), -5.1, float(schedule.lambda_(0.0)))
        assert float((found - exact).square().mean().sqrt()) < 0.05


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize("grid", GRIDS)
def test_grids_end_where_they_are_asked_to(grid, time):
    schedule = make_schedule("linear", 1000, 64, time)
    for points in (1, 2, 21, 101):
        times = time_grid(grid, schedule, points, t_end=50)
        assert times[0] == schedule.t_max and (points == 1 or times[-1] == 50)
        assert (np.diff(times) < 0).all()


@pytest.mark.parametrize("schedule", [schedule_named("linear"), schedule_named("linear").flattened(100)])
@pytest.mark.parametrize("grid", GRIDS)
def test_an_end_at_or_below_the_last_time_changes_nothing(grid, schedule):
    assert schedule.t_stop == 0 or schedule.t_stop > 13
    for t_end in (0, math.floor(schedule.t_stop)):
        for points in (2, 20, 100):
            plain = time_grid(grid, schedule, points).tolist()
            assert time_grid(grid, schedule, points, t_end=t_end).tolist() == plain


def test_grid_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="karras"):
        time_grid("karras", schedule_named("linear"), 10)
    with pytest.raises(ValueError, match="at least one"):
        time_grid("uniform", schedule_named("linear"), 0)


# Orders of the steps


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


# The published algorithm, written out

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
    found = solve(spec, MIXTURE.predictor(schedule), schedule, start(), no_noise)
    np.testing.assert_allclose(found, published_end_point(grid, nfe, order, inner == "log-snr"), rtol=0, atol=1e-10)


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
    cautious, plain = (
        solve(spec | {"name": name, "clip_x0": clipped}, predict, schedule, start(), no_noise)
        for clipped in (True, False)
    )
    torch.testing.assert_close(cautious, by_hand, rtol=1e-12, atol=1e-12)
    assert (cautious - plain).abs().max() > 0.1


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


# Noise levels that sub-intervals share


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
        found = solve(spec | {"nfe": nfe}, predict, schedule, start(), no_noise)
        assert found.isfinite().all()
    assert float((found - exact).abs().max()) < 0.1


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


# Convergence


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
        found = dpm_solver(MIXTURE.predictor(schedule), schedule, start(), times, [order] * k, grid)
        errors.append(float((found - exact).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
def test_all_solvers_find_one_answer_on_the_real_schedules(schedule):
    schedule = schedule_named(schedule)
    predict = MIXTURE.predictor(schedule)
    straight = schedule.name == "flow"
    exact = MIXTURE.flow(start(), float(schedule.lambda_(schedule.t_max)), float(schedule.lambda_(0.0)), straight)
    for name, fixed in FIXED_ORDER.items():
        steps, tolerance = (1500, 2e-2) if name in ("ddim", "dpm-solver-1") else (400, 2e-3)
        found = fixed(predict, schedule, start(), time_grid("log-snr", schedule, steps + 1).tolist())
        assert float((found - exact).abs().max()) < tolerance, name


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


# Ancestral sampling


def test_ddpm_reproduces_mean_and_covariance():
    schedule = schedule_named("linear")
    n = 5_000
    x = ancestral(
        MIXTURE.predictor(schedule),
        schedule,
        start(n),
        time_grid("uniform", schedule, 1000).tolist(),
        "fixed-small",
        noise_like(start(n)),
    )
    standard_error = (MIXTURE.covariance().diagonal() / n).sqrt()
    assert ((x.mean(0) - MIXTURE.mean()).abs() < 4 * standard_error).all()
    torch.testing.assert_close(x.T.cov(), MIXTURE.covariance(), rtol=0, atol=0.04)


@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large"])
def test_ddpm_step_by_hand(variance):
    """Bayes' rule for two Gaussians: x_s given x_t and the predicted x_0 (Ho et al. 2020, eq. 6 and 7)."""
    schedule = schedule_named("cosine")
    t, s = 700.0, 650.0
    x, eps, z = start(), noise_like(start(), 2)(), noise_like(start(), 3)()
    bar_t, bar_s = float(schedule.alpha(t)) ** 2, float(schedule.alpha(s)) ** 2
    beta = 1 - bar_t / bar_s
    x0 = (x - math.sqrt(1 - bar_t) * eps) / math.sqrt(bar_t)
    precision = (1 - beta) / beta + 1 / (1 - bar_s)
    mean = (math.sqrt(1 - beta) / beta * x + math.sqrt(bar_s) / (1 - bar_s) * x0) / precision
    spread = 1 / precision if variance == "fixed-small" else beta
    one_step = mean + math.sqrt(spread) * z
    found = ancestral(lambda y, _: eps, schedule, x, [t, s], variance, lambda: z)
    clean = (one_step - math.sqrt(1 - bar_s) * eps) / math.sqrt(bar_s)  # the last step adds no noise
    torch.testing.assert_close(found, clean, rtol=1e-10, atol=1e-10)


def test_ddpm_refuses_an_unknown_variance():
    with pytest.raises(ValueError, match="learned"):
        ancestral(lambda x, t: x, schedule_named("linear"), start(), [9.0, 0.0], "learned", start)


@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
def test_ddim_with_eta_one_is_ddpm_with_small_variance(schedule):
    spec = {"nfe": 50, "grid": "uniform", "denoise": True, "eta": 1.0, "variance": "fixed-small"}
    schedule = schedule_named(schedule)
    by_ddim, by_ddpm = (
        solve(spec | {"name": name}, MIXTURE.predictor(schedule), schedule, start(), noise_like(start()))
        for name in ("ddim", "ancestral")
    )
    torch.testing.assert_close(by_ddim, by_ddpm, rtol=1e-9, atol=1e-9)


# Every solver through its spec

CASES = [
    (name, denoise, lower_order_final, grid)
    for name, denoise, lower_order_final, grid in itertools.product(
        SOLVERS.names(), (True, False), (True, False), GRIDS
    )
    if denoise or name != "ancestral"
]


@pytest.mark.parametrize(("name", "denoise", "lower_order_final", "grid"), CASES)
def test_evaluations_are_those_asked_for(name, denoise, lower_order_final, grid):
    schedule = schedule_named("linear")
    x = start(1).float()
    times: list[float] = []

    def predict(x: Tensor, t: float) -> Tensor:
        times.append(t)
        return x * float(schedule.sigma(t))

    for nfe in (solver(name, 1, denoise=denoise).fewest(), *range(5, 101, 5), 7, 98):
        times.clear()
        spec = {"name": name, "nfe": nfe, "grid": grid, "denoise": denoise, "variance": "fixed-large"}
        spec |= {"eta": 0.5, "lower_order_final": lower_order_final}
        found = solve(spec, predict, schedule, x, lambda: torch.randn_like(x))
        assert len(times) == nfe
        assert times[0] == schedule.t_max and all(isinstance(t, float) for t in times)
        assert all(later < earlier for earlier, later in itertools.pairwise(times))
        assert (times[-1] == schedule.t_min) == (denoise and nfe > 1)
        assert found.dtype == torch.float32 and found.isfinite().all()


@pytest.mark.parametrize("denoise", [True, False])
@pytest.mark.parametrize("name", [name for name in SOLVERS.names() if name.startswith("dpm")])
def test_dpm_solvers_refuse_to_denoise_without_a_step(name, denoise):
    spec = {"name": name, "nfe": int(denoise), "grid": "uniform", "denoise": denoise}
    spec |= {"lower_order_final": False}
    with pytest.raises(ValueError, match="at least one"):
        solve(spec, lambda x, t: x, schedule_named("linear"), start(), no_noise)


@pytest.mark.parametrize("name", [name for name in SOLVERS.names() if name != "ancestral"])
def test_the_last_evaluation_gives_clean_images(name):
    """One Gaussian has an exact flow: x_t lies at the same number of standard deviations at every t."""
    mixture = GaussianMixture(column((0.3, -0.2)), torch.tensor([0.5]).double(), torch.ones(1).double())
    schedule = schedule_named("linear")
    mean, std = mixture.means[0], 0.5
    alpha, sigma = float(schedule.alpha(999.0)), float(schedule.sigma(999.0))
    deviations = (start() - alpha * mean) / math.hypot(alpha * std, sigma)
    spec = {"name": name, "nfe": 400, "grid": "quadratic", "denoise": True, "eta": 0.0}
    spec |= {"lower_order_final": True}
    found = solve(spec, mixture.predictor(schedule), schedule, start(), no_noise)
    torch.testing.assert_close(found, mean + std * deviations, rtol=0, atol=2e-2)


def standard_deviations(x: Tensor, schedule, t: float, mean: Tensor, std: float) -> Tensor:
    """How many standard deviations x lies from the mean at time t, if x_0 is N(mean, std^2 I)."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    return (x - alpha * mean) / math.hypot(alpha * std, sigma)


@pytest.mark.parametrize("t_end", [50, 300])
@pytest.mark.parametrize("name", [name for name in SOLVERS.names() if name != "ancestral"])
def test_sampling_that_stops_early_ends_with_the_mean_of_x_0_given_x_there(name, t_end):
    """For one Gaussian: mean + alpha std^2 / (alpha^2 std^2 + sigma^2) (x_t - alpha mean), which is linear in x_t."""
    mixture = GaussianMixture(column((0.3, -0.2)), torch.tensor([0.5]).double(), torch.ones(1).double())
    schedule, mean, std = schedule_named("linear"), mixture.means[0], 0.5
    deviations = standard_deviations(start(), schedule, schedule.t_max, mean, std)
    alpha, sigma = float(schedule.alpha(t_end)), float(schedule.sigma(t_end))
    spread = math.hypot(alpha * std, sigma)
    spec = {"name": name, "nfe": 400, "grid": "log-snr", "denoise": True, "eta": 0.0, "t_end": t_end}
    found = solve(spec, mixture.predictor(schedule), schedule, start(), no_noise)
    torch.testing.assert_close(found, mean + alpha * std**2 / spread * deviations, rtol=0, atol=6e-3)


@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large"])
def test_ancestral_sampling_that_stops_early_does_too(variance):
    """By hand, from what it draws on the way: x at t_end is what a chain without the last step leaves there."""
    schedule, predict = schedule_named("linear"), MIXTURE.predictor(schedule_named("linear"))
    found = solve(
        {"name": "ancestral", "nfe": 20, "grid": "uniform", "variance": variance, "t_end": 100},
        predict,
        schedule,
        start(),
        noise_like(start()),
    )
    seen: list[Tensor] = []
    times = np.linspace(999, 100, 20).tolist()
    ancestral(lambda x, t: seen.append(x) or predict(x, t), schedule, start(), times, variance, noise_like(start()))
    alpha, sigma = float(schedule.alpha(100)), float(schedule.sigma(100))
    mean_of_x0 = (seen[-1] + sigma**2 * MIXTURE.score(seen[-1], alpha, sigma)) / alpha  # Tweedie
    torch.testing.assert_close(found, mean_of_x0, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", SOLVERS.names())
def test_stopping_at_the_last_time_is_not_stopping(name, grid):
    schedule = schedule_named("linear")
    spec = {"name": name, "nfe": 20, "grid": grid, "denoise": True, "lower_order_final": True}
    plain, stopped = (
        solve(spec | {"t_end": t_end}, MIXTURE.predictor(schedule), schedule, start(), noise_like(start()))
        for t_end in (None, 0)
    )
    assert torch.equal(plain, stopped)


@pytest.mark.parametrize("t_end", [0, 20, 50, 100, 998])
@pytest.mark.parametrize("name", SOLVERS.names())
def test_no_solver_asks_below_the_time_at_which_it_stops(name, t_end):
    schedule, asked = schedule_named("linear"), []

    def predict(x: Tensor, t: float) -> Tensor:
        asked.append(t)
        return x * float(schedule.sigma(t))

    for nfe in (solver(name, 1, denoise=True).fewest(), 7, 20, 50):
        asked.clear()
        spec = {"name": name, "nfe": nfe, "denoise": True, "t_end": t_end}
        assert solve(spec, predict, schedule, start(), noise_like(start())).isfinite().all()
        assert len(asked) == nfe and (nfe == 1 or asked[-1] == t_end == min(asked))


def test_reading_every_solvers_settings_does_not_import_torch():
    script = "import sys\nfrom etsdm.solvers import SOLVERS\nprint(len(SOLVERS.names()), 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(len(SOLVERS.names())), "False"]


@pytest.mark.parametrize("lower_order_final", [False, True])
@pytest.mark.parametrize("name", [name for name in SOLVERS.names() if name.startswith("dpm")])
def test_the_fewest_evaluations_just_allow_one_step_of_full_order(name, lower_order_final):
    order = int(name.rstrip("m")[-1])
    orders = multistep_orders if "++" in name else singlestep_orders
    fewest = solver(name, 1, denoise=False, lower_order_final=lower_order_final).fewest()
    assert order in orders(fewest, order, lower_order_final)
    assert fewest == 1 or order not in orders(fewest - 1, order, lower_order_final)
    assert solver(name, 1, denoise=True, lower_order_final=lower_order_final).fewest() == fewest + 1
