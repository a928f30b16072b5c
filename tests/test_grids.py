"""Time grids: worked by hand, and where they start and end."""

from __future__ import annotations

import math

import numpy as np
import pytest
from solving import GRIDS, MIXTURE, SCHEDULE_NAMES, noise_like, schedule_named, start
from torch import Tensor
from typed import solve

from etsdm.diffusion.schedules import make_schedule
from etsdm.solvers import SOLVERS
from etsdm.solvers.grids import time_grid


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


@pytest.mark.parametrize(("time", "lambda_start"), [("discrete", -5.1), ("continuous", -4.7)])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", ["cosine", "cosine-shift", "zero-terminal-snr"])
def test_grids_start_where_lambda_is_asked_to_be(name, grid, time, lambda_start):
    schedule = make_schedule(name, 1000, 64, time)
    assert schedule.lambda_(schedule.t_max) < lambda_start
    for points in (1, 2, 20):
        times = time_grid(grid, schedule, points, lambda_start)
        assert schedule.lambda_(times[0]) == pytest.approx(lambda_start, abs=1e-9)
        assert (np.diff(times) < 0).all() and (points == 1 or times[-1] == schedule.t_min)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_start_that_is_noisier_than_t_max_changes_nothing(grid):
    schedule = schedule_named("linear")
    assert schedule.lambda_(schedule.t_max) > -5.1
    for lambda_start in (-5.1, -9.0):
        assert time_grid(grid, schedule, 20, lambda_start).tolist() == time_grid(grid, schedule, 20).tolist()


@pytest.mark.parametrize("name", SOLVERS.names())
def test_every_solver_starts_where_it_is_asked_to(name):
    schedule, times = schedule_named("cosine"), []

    def predict(x: Tensor, t: float) -> Tensor:
        times.append(t)
        return MIXTURE.predictor(schedule)(x, t)

    spec = {"name": name, "nfe": 100, "grid": "log-snr", "denoise": True, "variance": "fixed-small", "eta": 0.0}
    spec |= {"lower_order_final": True, "lambda_start": -5.1}
    samples = solve(spec, predict, schedule, start(), noise_like(start()))
    assert float(schedule.lambda_(times[0])) == pytest.approx(-5.1, abs=1e-9) and len(times) == 100
    if name != "ancestral":  # the exact flow from there is known
        exact = MIXTURE.flow(start(), -5.1, float(schedule.lambda_(0.0)))
        assert float((samples - exact).square().mean().sqrt()) < 0.05


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
            full_grid = time_grid(grid, schedule, points).tolist()
            assert time_grid(grid, schedule, points, t_end=t_end).tolist() == full_grid


def test_grid_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="karras"):
        time_grid("karras", schedule_named("linear"), 10)
    with pytest.raises(ValueError, match="at least one"):
        time_grid("uniform", schedule_named("linear"), 0)
