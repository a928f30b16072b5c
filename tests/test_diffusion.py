"""Schedules against exact arithmetic, the timestep condition as properties, wrapper and loss by hand."""

from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etsdm.diffusion.conditions import identity, make_condition, shared
from etsdm.diffusion.losses import noise_prediction_loss
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import LOG_ALPHAS, make_schedule

T = 1000
STEPS = [0, 1, 10, 99, 500, 998, 999]


def exact_linear_alpha_bar(t):
    """prod (1 - beta) with beta linear, as an exact fraction."""
    low, high = Fraction(1, 10_000), Fraction(2, 100)
    product = Fraction(1)
    for step in range(t + 1):
        product *= 1 - (low + (high - low) * Fraction(step, T - 1))
    return product


def decimal_sqrt_beta_alpha_bar(t):
    """The same for sqrt(beta) linear, in 50 digits."""
    getcontext().prec = 50
    low, high = Decimal("0.0001").sqrt(), Decimal("0.02").sqrt()
    product = Decimal(1)
    for step in range(t + 1):
        product *= 1 - (low + (high - low) * step / (T - 1)) ** 2
    return product


@pytest.mark.parametrize("t", STEPS)
def test_linear_schedule_is_the_exact_product(t):
    assert make_schedule("linear", T, 8).alphas[t] ** 2 == pytest.approx(float(exact_linear_alpha_bar(t)), rel=1e-12)


@pytest.mark.parametrize("t", STEPS)
def test_quadratic_schedule_is_the_product_in_fifty_digits(t):
    exact = float(decimal_sqrt_beta_alpha_bar(t))
    assert make_schedule("quadratic", T, 8).alphas[t] ** 2 == pytest.approx(exact, rel=1e-12)


def test_cosine_schedule_is_the_cosine_until_beta_is_capped():
    """The product telescopes, so alpha-bar is the cosine itself wherever beta stays below 0.999."""
    t = np.array([0, 10, 500, 990])
    angle = lambda u: np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2  # noqa: E731
    assert make_schedule("cosine", T, 8).alphas[t] ** 2 == pytest.approx(angle((t + 1) / T) / angle(0.0), rel=1e-9)
    last = make_schedule("cosine", T, 8).alphas ** 2
    assert 1 - last[-1] / last[-2] == pytest.approx(0.999, rel=1e-9)


@pytest.mark.parametrize("resolution", [8, 64, 256])
def test_cosine_shift_moves_the_log_snr_by_two_log_ratios(resolution):
    plain, moved = make_schedule("cosine", T, 64), make_schedule("cosine-shift", T, resolution)
    shift = 2 * (moved.lambdas - plain.lambdas)
    assert shift == pytest.approx(np.full(T, 2 * np.log(64 / resolution)), abs=1e-9)


def test_zero_terminal_snr_keeps_the_first_alpha_and_ends_at_zero():
    plain, rescaled = make_schedule("linear", T, 8), make_schedule("zero-terminal-snr", T, 8)
    assert rescaled.alphas[0] == pytest.approx(plain.alphas[0], rel=1e-14)
    assert rescaled.alphas[-1] == 0.0
    assert rescaled.t_max == T - 2
    slope = np.polyfit(plain.alphas, rescaled.alphas, 1)
    assert np.polyval(slope, plain.alphas) == pytest.approx(rescaled.alphas, abs=1e-12)


@pytest.mark.parametrize("name", LOG_ALPHAS)
class TestEverySchedule:
    def test_signal_and_noise_make_unit_variance(self, name):
        schedule = make_schedule(name, T, 32)
        assert schedule.alphas**2 + schedule.sigmas**2 == pytest.approx(np.ones(T), abs=1e-12)

    def test_log_snr_falls(self, name):
        assert (np.diff(make_schedule(name, T, 32).lambdas) < 0).all()

    def test_integer_times_give_the_table(self, name):
        schedule = make_schedule(name, T, 32)
        t = np.arange(int(schedule.t_max) + 1)
        assert schedule.alpha(t) == pytest.approx(schedule.alphas[t], rel=1e-14)
        assert schedule.sigma(t) == pytest.approx(schedule.sigmas[t], rel=1e-12)

    def test_time_of_lambda_is_the_inverse(self, name):
        schedule = make_schedule(name, T, 32)
        t = np.linspace(0, schedule.t_max, 3217)
        assert schedule.t_of_lambda(schedule.lambda_(t)) == pytest.approx(t, abs=1e-6)


divided = st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, 20).map(lambda w: n * w)))
times = st.floats(0, 1500, allow_nan=False)


@given(divided, times, times)
def test_shared_condition_is_idempotent_monotone_and_the_identity_past_t_tilde(parameters, s, t):
    n, t_tilde = parameters
    f = shared(t_tilde, n)
    assert f(f(t)) == f(t)
    assert f(t) <= t
    assert (s <= t) <= (f(s) <= f(t))
    assert f(t) == t if t >= t_tilde else f(t) % (t_tilde // n) == 0


@given(divided, st.integers(0, 1200))
def test_shared_condition_of_a_tensor_is_that_of_each_number(parameters, t):
    n, t_tilde = parameters
    f = shared(t_tilde, n)
    assert f(torch.tensor([float(t)], dtype=torch.float64)).item() == f(float(t))


def test_the_papers_conditions_below_100():
    f = shared(100, 5)
    assert sorted({f(t) for t in range(100)}) == [0, 20, 40, 60, 80]
    assert [f(t) for t in (19.99, 20, 99.5, 100, 101)] == [0, 20, 80, 100, 101]


def test_as_many_sub_intervals_as_steps_is_the_baseline():
    t = torch.arange(T, dtype=torch.float64)
    assert torch.equal(shared(100, 100)(t), t)
    assert make_condition({"name": "ddpm"}) is identity


class Recorder(torch.nn.Module):
    """A network that keeps the conditions it is given and predicts a multiple of x."""

    def __init__(self, factor=0.5):
        super().__init__()
        self.factor, self.conditions = factor, []

    def forward(self, x, condition):
        self.conditions.append(condition)
        return self.factor * x


def test_only_the_networks_condition_is_shared():
    """The network is told f(t); the loss diffuses with the noise level of the true t."""
    network, schedule = Recorder(0.0), make_schedule("linear", T, 8)
    predict = NoisePredictor(network, schedule, shared(100, 5))
    t = torch.tensor([7, 39, 100, 250])
    x0, eps = torch.randn(2, 4, 1, 8, 8, dtype=torch.float64)
    seen = {}
    network.forward = lambda x, c: seen.update(x=x, c=c) or torch.zeros_like(x)
    losses = noise_prediction_loss(predict, x0, eps, t)
    assert seen["c"].tolist() == [0, 20, 100, 250]
    alpha, sigma = (torch.from_numpy(v[t.numpy()]).view(-1, 1, 1, 1) for v in (schedule.alphas, schedule.sigmas))
    assert torch.allclose(seen["x"], alpha * x0 + sigma * eps, atol=1e-12)
    assert losses.tolist() == pytest.approx((eps**2).mean((1, 2, 3)).tolist())


def test_the_wrapper_counts_evaluations_and_takes_fractional_times():
    network = Recorder()
    predict = NoisePredictor(network, make_schedule("linear", T, 8), shared(100, 5))
    for t in (999.0, 57.3, 0.0):
        predict(torch.zeros(3, 1, 8, 8), t)
    assert predict.nfe == 3
    assert [c.tolist() for c in network.conditions] == [[999.0] * 3, [40.0] * 3, [0.0] * 3]


def test_clipping_moves_the_noise_so_that_x0_lies_in_range():
    schedule = make_schedule("linear", T, 8)
    x, t = 3 * torch.randn(5, 1, 8, 8, dtype=torch.float64), 300.5
    free = NoisePredictor(Recorder(0.3), schedule)(x, t)
    clipped = NoisePredictor(Recorder(0.3), schedule, clip_x0=True)(x, t)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    assert torch.allclose((x - sigma * clipped) / alpha, ((x - sigma * free) / alpha).clamp(-1, 1), atol=1e-12)
