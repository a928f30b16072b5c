"""The Gaussian mixture against autograd and Monte Carlo; the theory against closed forms."""

import json
import math

import numpy as np
import pytest
import torch
from mixtures import GaussianMixture, SmoothSchedule, column
from typed import theory

from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.schedules.betas import BETA_START
from etsdm.diffusion.schedules.cosine import COSINE_S
from etsdm.probes.theory import (
    derivative,
    log_alpha_slope,
    noise_slope,
    order,
    score_constants,
    sharing,
    sharing_times,
)

MIXTURE = GaussianMixture()
MEAN, STD = column((0.3, -0.2)), 0.5
ONE = GaussianMixture(MEAN, torch.tensor([STD]).double(), torch.ones(1).double())
LEVELS = [(1.0, 1e-3), (0.9, math.sqrt(0.19)), (0.3, math.sqrt(0.91)), (0.0, 1.0)]


def points(n=16, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def continuous(name, flat=False):
    schedule = make_schedule(name, 1000, 256, "continuous")
    return schedule.flattened(100) if flat else schedule


# The mixture


@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
def test_the_score_is_the_gradient_of_the_log_density(alpha, sigma):
    variances = (alpha * MIXTURE.stds) ** 2 + sigma**2
    components = torch.distributions.Independent(
        torch.distributions.Normal(alpha * MIXTURE.means, variances.sqrt()[:, None].expand(3, 2)), 1
    )
    density = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(MIXTURE.weights), components)
    x = points().requires_grad_()
    (gradient,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    torch.testing.assert_close(MIXTURE.score(x.detach(), alpha, sigma), gradient)
    torch.testing.assert_close(MIXTURE.eps(x.detach(), alpha, sigma), -sigma * gradient)


def test_eps_is_the_posterior_mean_of_the_noise():
    """E[eps | x] over clean samples, each weighted by its likelihood N(x; alpha x_0, sigma^2)."""
    alpha, sigma = 0.8, 0.6
    x0 = MIXTURE.sample(400_000, torch.Generator().manual_seed(1))
    x = points(4)
    noise = (x[:, None] - alpha * x0) / sigma
    weights = (-(noise**2).sum(-1) / 2).softmax(-1)
    torch.testing.assert_close((weights[..., None] * noise).sum(1), MIXTURE.eps(x, alpha, sigma), rtol=0, atol=0.015)


def test_samples_have_the_mean_and_covariance_of_the_mixture():
    x = MIXTURE.sample(100_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), MIXTURE.mean(), rtol=0, atol=0.01)
    torch.testing.assert_close(x.T.cov(), MIXTURE.covariance(), rtol=0, atol=0.01)


def test_levels_broadcast_against_points():
    alphas, sigmas = (torch.tensor(values).double()[:, None] for values in zip(*LEVELS, strict=True))
    eps = MIXTURE.eps(points(), alphas, sigmas)
    for row, (alpha, sigma) in zip(eps, LEVELS, strict=True):
        torch.testing.assert_close(row, MIXTURE.eps(points(), alpha, sigma))


# (a) The derivative near zero


@pytest.mark.parametrize("t", [1e-3, 0.1, 5.0, 300.0, 900.0])
def test_the_slope_of_the_linear_schedule_is_half_of_beta(t):
    assert log_alpha_slope(continuous("linear"), t) == pytest.approx(-(0.1 + 19.9 * t / 1000) / 2000, rel=1e-6)


@pytest.mark.parametrize("t", [0.01, 1.0, 50.0, 600.0])
def test_the_derivative_for_one_gaussian_is_the_closed_form(t):
    """eps* = sigma (x - alpha mu) / v with v = alpha^2 s^2 + sigma^2, so with a dot for d/d log alpha,
    alpha. = alpha, sigma. = -alpha^2 / sigma and v. = 2 alpha^2 (s^2 - 1)."""
    schedule, x = continuous("linear"), points()
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    v = alpha**2 * STD**2 + sigma**2
    slope = (
        -(alpha**2) / sigma * (x - alpha * MEAN) / v
        - sigma * alpha * MEAN / v
        - sigma * (x - alpha * MEAN) * 2 * alpha**2 * (STD**2 - 1) / v**2
    )
    expected = slope * -(0.1 + 19.9 * t / 1000) / 2000
    torch.testing.assert_close(noise_slope(ONE, schedule, x, t), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_the_derivative_of_the_mixture_is_the_limit_of_differences(name):
    schedule, x, t, h = continuous(name), points(), 40.0, 1e-3
    above, below = (MIXTURE.eps(x, float(schedule.alpha(s)), float(schedule.sigma(s))) for s in (t + h, t - h))
    torch.testing.assert_close(noise_slope(MIXTURE, schedule, x, t), (above - below) / (2 * h), rtol=2e-4, atol=1e-8)


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_it_diverges_like_the_inverse_root_of_t_unless_the_schedule_is_flat_or_straight(name):
    original, flat = (derivative(MIXTURE, continuous(name, flat), points(), points(seed=1)) for flat in (False, True))
    assert original["exponent"] == pytest.approx(0 if name == "flow" else -0.5, abs=0.01)
    assert original["diverges"] == (name != "flow") and not flat["diverges"]
    assert flat["exponent"] > -0.01
    assert abs(flat["alpha_slope"]) < 1e-4 * abs(original["alpha_slope"])
    assert original["points"][0]["mean"] > 10 * flat["points"][0]["mean"]


def test_the_slope_of_alpha_at_zero_is_the_closed_form():
    """-beta(0) / 2; for cosine d/dtau cos(angle (tau + s)) / cos(angle s) = -angle tan(angle s)."""
    angle = math.pi / 2 / (1 + COSINE_S)
    expected = {"linear": -BETA_START / 2, "quadratic": -BETA_START / 2, "cosine": -angle * math.tan(angle * COSINE_S)}
    for name, slope in expected.items():
        alpha_slope = derivative(MIXTURE, continuous(name), points(), points(seed=1))["alpha_slope"]
        assert alpha_slope == pytest.approx(slope / 1000, rel=1e-4)


# (b) The error of sharing


def test_where_it_looks():
    np.testing.assert_array_equal(sharing_times("discrete", 20, [5]), np.arange(20.0))
    times = sharing_times("continuous", 100, [3])
    assert times[0] == 0 and (np.diff(times) > 0.1).all() and 0 < 100 - times[-1] < 1e-9
    for edge in (1, 50, 100 / 3, 200 / 3):
        assert (np.abs(times - edge) < 1e-9).sum() == 1 and times[np.abs(times - edge).argmin()] < edge


def test_the_constants_for_one_gaussian():
    """Its score is -(x - alpha mu) / v: with mu = 0 and s < 1 its norm falls in t, and its slope is that of 1 / v."""
    centred = GaussianMixture(torch.zeros(1, 2).double(), torch.tensor([STD]).double(), torch.ones(1).double())
    schedule, times, x = SmoothSchedule(), np.linspace(0, 100, 2001), points()
    v = schedule.alpha(times) ** 2 * STD**2 + schedule.sigma(times) ** 2
    k, b = score_constants(centred, schedule, times, x)
    torch.testing.assert_close(b, x.norm(dim=1) / v[0])
    torch.testing.assert_close(k, x.norm(dim=1) * np.abs(np.gradient(1 / v, times)).max(), rtol=1e-3, atol=0)


def test_the_error_by_hand():
    schedule, times = make_schedule("linear", 1000, 8), np.arange(4.0)
    x0, eps = points(5), points(5, seed=1)
    convergence = sharing(ONE, schedule, times, 4, [2], x0, eps)

    def best(x, t):
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        return sigma * (x - alpha * MEAN) / (alpha**2 * STD**2 + sigma**2)

    errors = []
    for t, left in ((0.0, 0.0), (1.0, 0.0), (2.0, 2.0), (3.0, 2.0)):
        x = float(schedule.alpha(t)) * x0 + float(schedule.sigma(t)) * eps
        errors.append((best(x, left) - best(x, t)).norm(dim=1))
    (point,) = convergence["points"]
    assert point["dt"] == 2
    assert point["error_max"] == pytest.approx(torch.stack(errors).max().item())
    assert point["error_mean"] == pytest.approx(torch.stack(errors).mean().item())
    assert point["sigma_jump"] == pytest.approx(float(schedule.sigma(1.0) - schedule.sigma(0.0)))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize("name", SCHEDULES.names())
def test_the_bound_holds_and_both_fall_with_n(name, time, flat):
    schedule, counts = make_schedule(name, 1000, 256, time), [1, 2, 5, 10]
    schedule = schedule.flattened(20) if flat else schedule
    convergence = sharing(MIXTURE, schedule, sharing_times(time, 20, counts), 20, counts, points(8), points(8, seed=1))
    for key in ("error_max", "bound_max", "sigma_jump"):
        values = [point[key] for point in convergence["points"]]
        assert values == sorted(values, reverse=True) and values[-1] > 0
    assert max(point["ratio_max"] for point in convergence["points"]) <= 1
    assert convergence["order"] > 0.5


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_the_order_is_one_half_and_one_where_the_schedule_is_flat(name):
    """In the limit: with sub-intervals so short that the first decides. It is one on the straight path as well."""
    orders = {False: 1.0 if name == "flow" else 0.5, True: 1.0}
    counts = [50, 100]
    times = np.linspace(0, 0.5, 101) * (1 - 1e-12)
    for flat, expected in orders.items():
        schedule = continuous(name, flat)
        convergence = sharing(MIXTURE, schedule, times, 0.5, counts, points(8), points(8, seed=1))
        assert convergence["order"] == pytest.approx(expected, abs=0.03), flat


def test_the_order_of_a_power_is_its_exponent():
    powers = [{"dt": dt, "error_max": 3 * dt**0.7} for dt in (1.0, 2.0, 5.0)]
    assert order(powers) == pytest.approx(0.7)
    assert order([{"dt": 1.0, "error_max": 0.0}, *powers]) == pytest.approx(0.7)
    assert order(powers[:1]) is None


def test_a_sub_interval_a_step_leaves_no_error_in_discrete_time():
    schedule = make_schedule("linear", 1000, 8)
    convergence = sharing(
        MIXTURE, schedule, sharing_times("discrete", 20, [20]), 20, [20], points(4), points(4, seed=1)
    )
    assert convergence["points"][0]["error_max"] == 0 and convergence["order"] is None


def test_the_whole_theory_is_json_and_covers_its_grid():
    spec = {"schedules": ["linear", "cosine"], "times": ["discrete", "continuous"], "timesteps": 1000}
    spec |= {"t_tilde": 10, "n": [1, 2, 5], "points": 4}
    results = theory(spec, progress=False)
    assert json.loads(json.dumps(results)) == results
    assert (results["n"], results["dimension"], results["t_tilde"]) == (4, 2, 10)
    cases = [(one["schedule"], one["flattened"]) for one in results["derivative"]]
    assert cases == [("linear", False), ("linear", True), ("cosine", False), ("cosine", True)]
    assert [(one["schedule"], one["flattened"], one["time"]) for one in results["sharing"]] == [
        (*case, time) for case in cases for time in spec["times"]
    ]
    assert all([point["n"] for point in one["points"]] == spec["n"] for one in results["sharing"])
