"""What a network predicts, by hand: the noise that follows from it, its losses, and the count of evaluations."""

import numpy as np
import pytest
import torch

from etsdm.diffusion.conditions import identity
from etsdm.diffusion.losses import prediction_loss
from etsdm.diffusion.predictions import DATA, FLOW, NOISE, PREDICTIONS, SCORE, SCORE_OVER_SIGMA, VELOCITY
from etsdm.diffusion.predictor import NoisePredictor, diffuse_to
from etsdm.diffusion.schedules import make_schedule
from etsdm.diffusion.sharing import partition, shared

T = 1000


def uniform(t_tilde, n):
    return shared(partition("uniform", t_tilde, n, make_schedule("linear", T, 8)))


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
