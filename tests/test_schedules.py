"""Schedules in discrete and continuous time, against exact arithmetic and against each other."""

from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad

from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.schedules.betas import ramp
from etsdm.diffusion.schedules.cosine import COSINE_END

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
    cosine, moved = make_schedule("cosine", T, 64), make_schedule("cosine-shift", T, resolution)
    shift = 2 * (moved.lambdas - cosine.lambdas)
    assert shift == pytest.approx(np.full(T, 2 * np.log(64 / resolution)), abs=1e-9)


def test_zero_terminal_snr_keeps_the_first_alpha_and_ends_at_zero():
    linear, rescaled = make_schedule("linear", T, 8), make_schedule("zero-terminal-snr", T, 8)
    assert rescaled.alphas[0] == pytest.approx(linear.alphas[0], rel=1e-14)
    assert rescaled.alphas[-1] == 0.0
    assert rescaled.t_max == T - 2
    slope = np.polyfit(linear.alphas, rescaled.alphas, 1)
    assert np.polyval(slope, linear.alphas) == pytest.approx(rescaled.alphas, abs=1e-12)


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
    log_alpha = make_schedule("linear", T, 8, "continuous").flattened(100).log_alpha(t)
    assert float(log_alpha) == pytest.approx(float(-exact / 2), rel=1e-11)


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
    linear, rescaled = (make_schedule(name, T, 8, "continuous") for name in ("linear", "zero-terminal-snr"))
    t = np.linspace(0, T, 11)
    slope = np.polyfit(linear.alpha(t), rescaled.alpha(t), 1)
    assert np.polyval(slope, linear.alpha(t)) == pytest.approx(rescaled.alpha(t), abs=1e-12)
    assert rescaled.alpha(0) == 1.0
    assert rescaled.alpha(T) == 0.0
    assert rescaled.t_max < T == rescaled.t_end


def test_the_cosine_schedules_end_before_beta_has_no_bound_and_at_one_noise_level():
    cosine = make_schedule("cosine", T, 8, "continuous")
    assert cosine.t_max == pytest.approx(T * COSINE_END, rel=1e-12)
    for resolution in (8, 64, 256):
        moved = make_schedule("cosine-shift", T, resolution, "continuous")
        assert moved.t_max < T
        assert moved.lambda_(moved.t_max) == pytest.approx(float(cosine.lambda_(cosine.t_max)), abs=1e-9)


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
        schedule = make_schedule(name, T, 32, time)
        flat = schedule.flattened(100)
        assert schedule.t_stop == schedule.t_min == flat.t_min
        assert flat.t_stop > flat.t_min + 1
        assert flat.sigma(flat.t_stop) == pytest.approx(float(schedule.sigma(schedule.t_min)), rel=1e-9)
        assert flat.lambda_(flat.t_stop) == pytest.approx(float(schedule.lambda_(schedule.t_min)), abs=1e-9)
        assert flat.sigma(flat.t_min) < 0.6 * schedule.sigma(schedule.t_min)

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
