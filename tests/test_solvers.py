"""Every solver through its settings: evaluations, clean images, and where it stops."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from mixtures import GaussianMixture, column
from solving import GRIDS, MIXTURE, no_noise, noise_like, schedule_named, start
from torch import Tensor
from typed import solve, solver

from etsdm.solvers import SOLVERS
from etsdm.solvers.ancestral import ancestral
from etsdm.solvers.dpm_solver import step_orders as singlestep_orders
from etsdm.solvers.dpm_solver_pp import step_orders as multistep_orders

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
        samples = solve(spec, predict, schedule, x, lambda: torch.randn_like(x))
        assert len(times) == nfe
        assert times[0] == schedule.t_max and all(isinstance(t, float) for t in times)
        assert all(later < earlier for earlier, later in itertools.pairwise(times))
        assert (times[-1] == schedule.t_min) == (denoise and nfe > 1)
        assert samples.dtype == torch.float32 and samples.isfinite().all()


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
    samples = solve(spec, mixture.predictor(schedule), schedule, start(), no_noise)
    torch.testing.assert_close(samples, mean + std * deviations, rtol=0, atol=2e-2)


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
    samples = solve(spec, mixture.predictor(schedule), schedule, start(), no_noise)
    torch.testing.assert_close(samples, mean + alpha * std**2 / spread * deviations, rtol=0, atol=6e-3)


@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large"])
def test_ancestral_sampling_that_stops_early_does_too(variance):
    """By hand, from what it draws on the way: x at t_end is what a chain without the last step leaves there."""
    schedule, predict = schedule_named("linear"), MIXTURE.predictor(schedule_named("linear"))
    samples = solve(
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
    torch.testing.assert_close(samples, mean_of_x0, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", SOLVERS.names())
def test_stopping_at_the_last_time_is_not_stopping(name, grid):
    schedule = schedule_named("linear")
    spec = {"name": name, "nfe": 20, "grid": grid, "denoise": True, "lower_order_final": True}
    baseline, stopped = (
        solve(spec | {"t_end": t_end}, MIXTURE.predictor(schedule), schedule, start(), noise_like(start()))
        for t_end in (None, 0)
    )
    assert torch.equal(baseline, stopped)


@pytest.mark.parametrize("t_end", [0, 20, 50, 100, 998])
@pytest.mark.parametrize("name", SOLVERS.names())
def test_no_solver_asks_below_the_time_at_which_it_stops(name, t_end):
    schedule, times = schedule_named("linear"), []

    def predict(x: Tensor, t: float) -> Tensor:
        times.append(t)
        return x * float(schedule.sigma(t))

    for nfe in (solver(name, 1, denoise=True).fewest(), 7, 20, 50):
        times.clear()
        spec = {"name": name, "nfe": nfe, "denoise": True, "t_end": t_end}
        assert solve(spec, predict, schedule, start(), noise_like(start())).isfinite().all()
        assert len(times) == nfe and (nfe == 1 or times[-1] == t_end == min(times))


def test_reading_every_solvers_settings_does_not_import_torch():
    script = "import sys\nfrom etsdm.solvers import SOLVERS\nprint(len(SOLVERS.names()), 'torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.split() == [str(len(SOLVERS.names())), "False"]


@pytest.mark.parametrize("lower_order_final", [False, True])
@pytest.mark.parametrize("name", [name for name in SOLVERS.names() if name.startswith("dpm")])
def test_the_fewest_evaluations_just_allow_one_step_of_full_order(name, lower_order_final):
    order = int(name.rstrip("m")[-1])
    orders = multistep_orders if "++" in name else singlestep_orders
    fewest = solver(name, 1, denoise=False, lower_order_final=lower_order_final).fewest()
    assert order in orders(fewest, order, lower_order_final)
    assert fewest == 1 or order not in orders(fewest - 1, order, lower_order_final)
    assert solver(name, 1, denoise=True, lower_order_final=lower_order_final).fewest() == fewest + 1
