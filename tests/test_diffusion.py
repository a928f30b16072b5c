"""Schedules against exact arithmetic, the timestep condition as properties, wrapper and loss by hand."""

from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from etsdm.diffusion.conditions import identity
from etsdm.diffusion.losses import prediction_loss
from etsdm.diffusion.predictions import DATA, FLOW, NOISE, PREDICTIONS, SCORE, SCORE_OVER_SIGMA, VELOCITY
from etsdm.diffusion.predictor import NoisePredictor, diffuse_to
from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.schedules.betas import ramp
from etsdm.diffusion.schedules.cosine import COSINE_END
from etsdm.diffusion.sharing import partition, shared

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


# ---------------------------------------------------------------- continuous time


def exact_integral(coefficients, low, high):
    """The integral of a polynomial with rational coefficients, as an exact fraction."""
    return sum(Fraction(c) * (high ** (k + 1) - low ** (k + 1)) / (k + 1) for k, c in enumerate(coefficients))


LINEAR = [Fraction(1, 10), Fraction(199, 10)]


@pytest.mark.parametrize("t", [1, 20, 100, 999.5, 1000])
def test_continuous_linear_schedule_is_the_exact_integral(t):
    exact = -exact_integral(LINEAR, Fraction(0), Fraction(t) / T) / 2
    assert float(make_schedule("linear", T, 8, "continuous").log_alpha(t)) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("t", [1, 20, 99, 100, 101, 1000])
def test_flattened_continuous_linear_schedule_is_the_exact_integral_of_the_ramped_beta(t):
    """beta(tau) (3 u^2 - 2 u^3) with u = 10 tau, multiplied out in fractions; beta itself from tau = 1/10 on."""
    low, high = LINEAR
    ramped = [0, 0, 300 * low, 300 * high - 2000 * low, -2000 * high]
    tau, edge = Fraction(t) / T, Fraction(1, 10)
    exact = exact_integral(ramped, Fraction(0), min(tau, edge)) + exact_integral(LINEAR, edge, max(tau, edge))
    found = make_schedule("linear", T, 8, "continuous").flattened(100).log_alpha(t)
    assert float(found) == pytest.approx(float(-exact / 2), rel=1e-11)


@pytest.mark.parametrize("t", [1, 100, 500, 1000])
def test_continuous_quadratic_schedule_is_the_cube_in_fifty_digits(t):
    """The integral of (a + c tau)^2 is ((a + c tau)^3 - a^3) / 3c."""
    getcontext().prec = 50
    a = Decimal("0.1").sqrt()
    c = Decimal(20).sqrt() - a
    exact = -((a + c * Decimal(t) / T) ** 3 - a**3) / (6 * c)
    assert float(make_schedule("quadratic", T, 8, "continuous").log_alpha(t)) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("name", ["linear", "quadratic"])
def test_log_alpha_is_minus_half_the_integral_of_beta_by_quadrature(name):
    schedule = make_schedule(name, T, 8, "continuous").flattened(100)
    for t in (3, 60, 400):
        whole = quad(lambda tau: SCHEDULES[name].beta(tau) * ramp(10 * tau), 0, t / T, points=[0.1], epsabs=1e-13)[0]
        assert float(schedule.log_alpha(t)) == pytest.approx(-whole / 2, rel=1e-8)


@pytest.mark.parametrize("name", ["linear", "quadratic", "cosine", "cosine-shift"])
def test_discrete_and_continuous_time_agree_as_a_step_is_small(name):
    """Step t of the product ends at tau = (t + 1) / T; the difference falls with the step."""
    gaps = []
    for timesteps in (500, 1000, 2000):
        tau = np.array([0.1, 0.3, 0.6, 0.9])
        continuous = make_schedule(name, timesteps, 32, "continuous").log_alpha(tau * timesteps)
        gaps.append(np.abs(make_schedule(name, timesteps, 32).log_alpha(tau * timesteps - 1) - continuous).max())
    assert gaps[0] < 0.1
    assert name.startswith("cosine") or (gaps[1] < 0.6 * gaps[0] and gaps[2] < 0.6 * gaps[1])


def test_continuous_zero_terminal_snr_starts_at_one_and_ends_at_zero():
    plain, rescaled = (make_schedule(name, T, 8, "continuous") for name in ("linear", "zero-terminal-snr"))
    t = np.linspace(0, T, 11)
    slope = np.polyfit(plain.alpha(t), rescaled.alpha(t), 1)
    assert np.polyval(slope, plain.alpha(t)) == pytest.approx(rescaled.alpha(t), abs=1e-12)
    assert rescaled.alpha(0) == 1.0
    assert rescaled.alpha(T) == 0.0
    assert rescaled.t_max < T == rescaled.t_end


def test_the_cosine_schedules_end_before_beta_has_no_bound_and_at_one_noise_level():
    plain = make_schedule("cosine", T, 8, "continuous")
    assert plain.t_max == pytest.approx(T * COSINE_END, rel=1e-12)
    for resolution in (8, 64, 256):
        moved = make_schedule("cosine-shift", T, resolution, "continuous")
        assert moved.t_max < T
        assert moved.lambda_(moved.t_max) == pytest.approx(float(plain.lambda_(plain.t_max)), abs=1e-9)


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize("name", SCHEDULES.names())
class TestEverySchedule:
    def test_signal_and_noise_make_unit_variance_or_a_straight_path(self, name, time):
        schedule, power = make_schedule(name, T, 32, time), 1 if name == "flow" else 2
        t = np.linspace(schedule.t_min, schedule.t_end, 777)
        assert schedule.alpha(t) ** power + schedule.sigma(t) ** power == pytest.approx(np.ones(777), abs=1e-12)

    def test_what_a_step_adds_completes_the_noise_level(self, name, time):
        """sigma_t^2 = (alpha_t / alpha_s)^2 sigma_s^2 + added."""
        schedule = make_schedule(name, T, 32, time)
        t = np.linspace(schedule.t_min, schedule.t_max, 97)
        kept = schedule.alpha(t[1:]) / schedule.alpha(t[:-1]) * schedule.sigma(t[:-1])
        added = schedule.levels.added(schedule.log_alpha(t[1:]), schedule.log_alpha(t[:-1]))
        assert schedule.sigma(t[1:]) ** 2 == pytest.approx(kept**2 + added, rel=1e-10)

    def test_the_slope_of_sigma_is_that_of_a_difference(self, name, time):
        schedule = make_schedule(name, T, 32, time)
        log_alpha = schedule.log_alpha(np.array([20.0, 300.0, 800.0]))
        step = 1e-6 * log_alpha
        levels = schedule.levels
        slopes = (levels.sigma(log_alpha + step) - levels.sigma(log_alpha - step)) / (2 * step)
        assert levels.sigma_slope(log_alpha) == pytest.approx(slopes, rel=1e-6)

    def test_log_snr_falls(self, name, time):
        schedule = make_schedule(name, T, 32, time)
        assert (np.diff(schedule.lambda_(np.linspace(schedule.t_min, schedule.t_max, 999))) < 0).all()

    @pytest.mark.parametrize("flat", [False, True])
    def test_time_of_lambda_is_the_inverse(self, name, time, flat):
        schedule = make_schedule(name, T, 32, time)
        schedule = schedule.flattened(100) if flat else schedule
        t = np.linspace(schedule.t_min, schedule.t_max, 3217)
        assert schedule.t_of_lambda(schedule.lambda_(t)) == pytest.approx(t, abs=1e-6)

    def test_where_alpha_is_zero_there_is_no_sampling(self, name, time):
        schedule = make_schedule(name, T, 32, time)
        assert schedule.alpha(schedule.t_max) > 0
        assert (schedule.alpha(schedule.t_end) == 0) == (name in ("zero-terminal-snr", "flow"))

    def test_flattening_stops_alpha_at_zero(self, name, time):
        """Its slope at t = 0 (one step before, in discrete time) is 0, to first order in the step."""
        origin, first = {"discrete": (-1.0, 0.0), "continuous": (0.0, 1.0)}[time]
        steep, flat = make_schedule(name, T, 32, time), make_schedule(name, T, 32, time).flattened(100)
        slopes = [(1 - float(schedule.alpha(first))) / (first - origin) for schedule in (steep, flat)]
        assert slopes[1] < 0.1 * slopes[0]

    def test_sampling_ends_at_the_noise_level_of_the_schedule_before_flattening(self, name, time):
        plain = make_schedule(name, T, 32, time)
        flat = plain.flattened(100)
        assert plain.t_stop == plain.t_min == flat.t_min
        assert flat.t_stop > flat.t_min + 1
        assert flat.sigma(flat.t_stop) == pytest.approx(float(plain.sigma(plain.t_min)), rel=1e-9)
        assert flat.lambda_(flat.t_stop) == pytest.approx(float(plain.lambda_(plain.t_min)), abs=1e-9)
        assert flat.sigma(flat.t_min) < 0.6 * plain.sigma(plain.t_min)

    def test_training_times_are_inside(self, name, time):
        schedule = make_schedule(name, T, 32, time)
        t = schedule.draw(np.array([0.0, 0.5, 1 - 1e-12]), schedule.t_end)
        assert t[0] == schedule.t_min
        assert t[2] == pytest.approx(schedule.t_end, abs=1e-6)


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_integer_times_give_the_table(name):
    schedule = make_schedule(name, T, 32)
    t = np.arange(T)
    assert schedule.alpha(t) == pytest.approx(schedule.alphas[t], rel=1e-14)
    assert schedule.sigma(t) == pytest.approx(schedule.sigmas[t], rel=1e-12)


# ---------------------------------------------------------------- conditions

divided = st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, 20).map(lambda w: n * w)))
times = st.floats(0, 1500, allow_nan=False) | st.integers(0, 1500).map(float)


def uniform(t_tilde, n):
    return shared(partition("uniform", t_tilde, n, make_schedule("linear", T, 8)))


@given(divided, times, times)
def test_shared_condition_is_idempotent_monotone_and_the_identity_past_t_tilde(parameters, s, t):
    n, t_tilde = parameters
    f = uniform(t_tilde, n)
    assert f(f(t)) == f(t)
    assert f(t) <= t
    assert (s <= t) <= (f(s) <= f(t))
    assert f(t) == t if t >= t_tilde else f(t) == t // (t_tilde // n) * (t_tilde // n)


@given(st.lists(st.floats(1e-3, 99), min_size=1, max_size=20, unique=True), times)
def test_any_partition_gives_the_left_end(ends, t):
    left = [0.0, *sorted(ends)]
    f = shared(partition(left, 100, len(left), make_schedule("linear", T, 8)))
    assert f(t) == (t if t >= 100 else max(end for end in left if end <= t))
    assert f(f(t)) == f(t)


@given(st.lists(times, min_size=1))
def test_shared_condition_of_an_array_is_that_of_each_number(t):
    f = uniform(100, 5)
    assert f(np.array(t)).tolist() == [float(f(one)) for one in t]


@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_the_sigma_partition_has_equal_jumps_of_the_noise_level(time):
    schedule = make_schedule("linear", T, 8, time)
    edges = partition("sigma", 100, 5, schedule)
    assert (edges[0], edges[-1]) == (0, 100)
    jumps = np.diff(schedule.sigma(np.maximum(edges, schedule.t_min)))
    assert jumps == pytest.approx(np.full(5, jumps.mean()), rel=1e-4)
    uniform_jumps = np.diff(schedule.sigma(np.maximum(np.linspace(0, 100, 6), schedule.t_min)))
    assert jumps.max() < uniform_jumps.max()


def test_the_papers_conditions_below_100():
    f = uniform(100, 5)
    assert sorted({float(f(t)) for t in range(100)}) == [0, 20, 40, 60, 80]
    assert [float(f(t)) for t in (19.99, 20, 99.5, 100, 101)] == [0, 20, 80, 100, 101]


# ---------------------------------------------------------------- wrapper, predictions and losses


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
    predict = NoisePredictor(network, schedule, uniform(100, 5))
    t = torch.tensor([7, 39, 100, 250], dtype=torch.float64)
    x0, eps = torch.randn(2, 4, 1, 8, 8, dtype=torch.float64)
    seen = {}
    network.forward = lambda x, c: seen.update(x=x, c=c) or torch.zeros_like(x)
    losses = prediction_loss(predict, x0, eps, t)
    assert seen["c"].tolist() == [0, 20, 100, 250]
    alpha, sigma = (torch.from_numpy(v[t.int().numpy()]).view(-1, 1, 1, 1) for v in (schedule.alphas, schedule.sigmas))
    assert torch.allclose(seen["x"], alpha * x0 + sigma * eps, atol=1e-12)
    assert losses.tolist() == pytest.approx((eps**2).mean((1, 2, 3)).tolist())


def test_the_wrapper_counts_evaluations_and_takes_fractional_times():
    network = Recorder()
    predict = NoisePredictor(network, make_schedule("linear", T, 8), uniform(100, 5))
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


def images(*names, batch=4):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, 2, 3, 3, dtype=torch.float64, generator=generator) for _ in names]


@pytest.mark.parametrize("prediction", [NOISE, VELOCITY, DATA, SCORE, SCORE_OVER_SIGMA, FLOW])
def test_the_noise_follows_from_what_is_predicted(prediction):
    x0, eps = images("x0", "eps")
    alpha, sigma = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)
    output = prediction.target(x0, eps, alpha, sigma)
    assert torch.allclose(prediction.eps(output, alpha * x0 + sigma * eps, alpha, sigma), eps, atol=1e-12)


@pytest.mark.parametrize("prediction", [NOISE, VELOCITY, DATA])
def test_noise_that_is_too_large_by_a_known_factor_is_put_right(prediction):
    """Whatever the network predicts, the noise that follows from it is divided by k t + b at its own time."""
    schedule = make_schedule("linear", T, 8)
    x0, eps = images("x0", "eps")
    t = torch.tensor([5.0, 60.0, 300.5, 900.0], dtype=torch.float64)
    alpha, sigma = (torch.from_numpy(level(t.numpy())).view(-1, 1, 1, 1) for level in (schedule.alpha, schedule.sigma))
    x_t, too_large = alpha * x0 + sigma * eps, (1.1 + 1e-3 * t).view(-1, 1, 1, 1) * eps
    output = prediction.target((x_t - sigma * too_large) / alpha, too_large, alpha, sigma)
    predict = NoisePredictor(lambda x, c: output, schedule, prediction=prediction)
    assert torch.allclose(predict(x_t, t), too_large, atol=1e-9)
    predict.eps_scale = lambda t: 1.1 + 1e-3 * t
    assert torch.allclose(predict(x_t, t), eps, atol=1e-9)


def test_noise_is_scaled_before_x0_is_clipped():
    """As in the authors' code, where x_0 = (x - sigma eps / lambda) / alpha is clipped and the step follows from it."""
    schedule = make_schedule("linear", T, 8)
    x, t = 3 * torch.randn(5, 1, 8, 8, dtype=torch.float64), 300.5
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    predict = NoisePredictor(Recorder(0.3), schedule, clip_x0=True)
    predict.eps_scale = lambda t: np.full_like(t, 1.25)
    x0 = ((x - sigma * 0.3 * x / 1.25) / alpha).clamp(-1, 1)
    assert 0.1 < (x0.abs() < 1).double().mean() < 0.9
    assert torch.allclose((x - sigma * predict(x, t)) / alpha, x0, atol=1e-12)


@pytest.mark.parametrize("condition", [identity, uniform(100, 5)])
@pytest.mark.parametrize("name", PREDICTIONS)
def test_losses_agree_with_that_of_the_noise_up_to_their_known_weight(name, condition):
    """One model in three forms: its errors are d_eps = d_v / alpha... so the losses differ by alpha and sigma alone."""
    schedule, prediction = make_schedule("linear", T, 8), PREDICTIONS[name]
    x0, eps, wrong = images("x0", "eps", "wrong")
    t = torch.tensor([5.0, 60.0, 300.0, 900.0], dtype=torch.float64)
    alpha, sigma = (torch.from_numpy(level(t.numpy())).view(-1, 1, 1, 1) for level in (schedule.alpha, schedule.sigma))
    x_t = alpha * x0 + sigma * eps

    def as_predicted(guess):
        """The same guess of the noise, in the network's own terms."""
        return prediction.target((x_t - sigma * guess) / alpha, guess, alpha, sigma)

    def loss(guess):
        predict = NoisePredictor(lambda x, c: as_predicted(guess), schedule, condition, prediction=prediction)
        return prediction_loss(predict, x0, eps, t)

    weight = {"eps": 1.0, "v": 1 / alpha**2, "x_0": (sigma / alpha) ** 2, "flow": ((alpha + sigma) / alpha) ** 2}[name]
    expected = (weight * (wrong - eps) ** 2).mean((1, 2, 3))
    assert torch.allclose(loss(eps), torch.zeros(4, dtype=torch.float64), atol=1e-20)
    assert torch.allclose(loss(wrong), expected, rtol=1e-9)


def test_the_weighted_score_loss_is_that_of_the_noise():
    """sigma^2 || F + eps / sigma ||^2 = || eps - (-sigma F) ||^2."""
    schedule = make_schedule("linear", T, 8)
    x0, eps, guess = images("x0", "eps", "guess")
    t = torch.tensor([0.0, 30.0, 300.0, 900.0], dtype=torch.float64)
    sigma = torch.from_numpy(schedule.sigma(t.numpy())).view(-1, 1, 1, 1)
    predict = NoisePredictor(lambda x, c: -guess / sigma, schedule, prediction=SCORE)
    assert torch.allclose(prediction_loss(predict, x0, eps, t), (guess - eps).square().mean((1, 2, 3)))
    assert torch.allclose(predict(x0, t), guess)


@pytest.mark.parametrize("t", [1, 50, 500, 999])
def test_the_straight_path_is_linear_in_time(t):
    """x_t = (1 - tau) x_0 + tau eps, and eps - x_0 is its derivative."""
    continuous, discrete = make_schedule("flow", T, 8, "continuous"), make_schedule("flow", T, 8)
    assert float(continuous.sigma(t)) == pytest.approx(t / T, rel=1e-13)
    assert float(discrete.sigma(t - 1)) == pytest.approx(t / T, rel=1e-13)
    x0, eps = images("x0", "eps")
    step = 1e-3
    later, earlier = (diffuse_to(continuous, x0, eps, t + sign * step) for sign in (1, -1))
    assert torch.allclose((later - earlier) / (2 * step) * T, FLOW.target(x0, eps, None, None), rtol=1e-6)


@pytest.mark.parametrize("name", ["v", "x_0"])
def test_v_and_x_0_are_learnt_where_alpha_is_zero(name):
    """At alpha = 0, v = -x_0, and eps is x itself: the loss is finite and right."""
    schedule = make_schedule("zero-terminal-snr", T, 8)
    x0, eps = images("x0", "eps")
    t = torch.full((4,), 999.0, dtype=torch.float64)
    predict = NoisePredictor(lambda x, c: torch.zeros_like(x), schedule, prediction=PREDICTIONS[name])
    assert torch.allclose(prediction_loss(predict, x0, eps, t), x0.square().mean((1, 2, 3)))


def test_the_context_is_given_beside_x():
    seen = []
    predict = NoisePredictor(lambda x, c: seen.append(x) or x[:, :2], make_schedule("linear", T, 8))
    x, low = images("x", "low")
    predict.context = low
    assert torch.equal(predict(x, 10.0), x)
    assert torch.equal(seen[0], torch.cat([x, low], 1))
