"""The penalty on the derivative in time: its derivative, its weight, and what it trains."""

from dataclasses import replace

import pytest
import torch
from method_specs import process, specs

from etsdm.diffusion.losses import prediction_loss
from etsdm.diffusion.methods.regularization import finite_difference, forward_mode
from etsdm.models.trained import make_predictor
from etsdm.models.unet import make_network
from etsdm.probes.lipschitz import difference_quotients


def trained_like_predictor(attention=(), method="regularization"):
    """A random network in float64 with no zero layer, so that every derivative is alive."""
    network = {
        "channels": 8,
        "multipliers": [1, 2],
        "blocks": 1,
        "attention": list(attention),
        "heads": 2,
        "head_channels": None,
        "dropout": 0.0,
        "norm_groups": 4,
        "scale_shift_norm": True,
        "resblock_updown": True,
    }
    torch.manual_seed(0)
    net = make_network(network, 8, 1, 1).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return make_predictor(net, process({"name": method}))


def test_the_forward_derivative_is_the_limit_of_central_differences():
    predict = trained_like_predictor(attention=[4])
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    t = torch.tensor([0.0, 33.0, 99.0], dtype=torch.float64)
    exact = forward_mode(predict, x, t)
    errors = []
    for h in (1.0, 0.5, 0.25):
        central = (predict.output(x, t + h) - predict.output(x, t - h)) / (2 * h)
        errors.append(float((central - exact).detach().norm() / exact.detach().norm()))
    assert errors[2] < 2e-2
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.3)
    assert errors[2] == pytest.approx(errors[1] / 4, rel=0.3)
    one_sided = finite_difference(predict, x, t)
    assert torch.allclose(one_sided, predict.output(x, t + 1) - predict.output(x, t))


@pytest.mark.parametrize("estimator", ["forward-mode", "finite-difference"])
def test_the_penalty_is_the_weighted_mean_square_below_t_tilde_and_trains_every_layer_that_sees_t(estimator):
    predict = trained_like_predictor()
    settings = specs({"name": "regularization", "estimator": estimator, "weight": 7.0})[0]["method"]
    penalty = process(settings).penalty
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    t = torch.tensor([5.0, 100.0, 99.0, 700.0], dtype=torch.float64)
    derivative = {"forward-mode": forward_mode, "finite-difference": finite_difference}[estimator]
    penalties = penalty(predict, x, t)
    expected = 7 * derivative(predict, x, t).square().mean((1, 2, 3)) * torch.tensor([1, 0, 1, 0])
    assert torch.allclose(penalties, expected, rtol=1e-9)
    penalties.sum().backward()
    assert float(predict.network.time_embed[0].weight.grad.norm()) > 0
    assert penalty(predict, x, t + 100).tolist() == [0.0] * 4


def test_the_penalty_gives_each_image_its_own_context():
    """Of a conditional network, here one that multiplies the context by t."""
    context = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    predict = make_predictor(lambda x, c: x[:, 1:] * c.view(-1, 1, 1, 1), process({"name": "ddpm"}))
    predict.context = context
    settings = specs({"name": "regularization", "weight": 2.0})[0]["method"]
    penalty = process(settings).penalty
    t = torch.tensor([500.0, 7.0, 300.0, 50.0], dtype=torch.float64)
    expected = 2 * context.square().mean((1, 2, 3)) * torch.tensor([0, 1, 0, 1])
    assert torch.allclose(penalty(predict, torch.zeros_like(context), t), expected)
    assert predict.context is context


@pytest.mark.parametrize("schedule", ["linear", "cosine", "zero-terminal-snr"])
@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_a_score_over_sigma_has_the_loss_and_the_noise_of_ddpm_with_the_sign_turned(time, schedule):
    settings = {"name": "score-weighted", "output": "over-sigma"}
    scored, baseline = (process(method, time=time, schedule=schedule) for method in (settings, {"name": "ddpm"}))
    network = trained_like_predictor().network
    score, noise = make_predictor(lambda x, c: -network(x, c), scored), make_predictor(network, baseline)
    x0, eps = torch.randn(2, 5, 1, 8, 8, dtype=torch.float64)
    t = torch.tensor([scored.schedule.t_min, 33.0, 99.0, 500.0, scored.last], dtype=torch.float64)
    assert scored.last == baseline.last
    losses = prediction_loss(score, x0, eps, t)
    assert torch.equal(losses, prediction_loss(noise, x0, eps, t))
    assert torch.equal(score(x0, t), noise(x0, t))
    # What Song et al. weight by sigma^2: the score is the output divided by sigma.
    alpha, sigma = score.levels(t, x0)
    output = score.output(alpha * x0 + sigma * eps, t)
    weighted = (sigma**2 * (output / sigma + eps / sigma).square()).mean((1, 2, 3))
    torch.testing.assert_close(losses, weighted, rtol=1e-12, atol=0)
    assert difference_quotients(score, x0, eps, 10, 20).min() > 0
    assert torch.equal(difference_quotients(score, x0, eps, 10, 20), difference_quotients(noise, x0, eps, 10, 20))


def test_without_a_penalty_the_process_is_the_same():
    baseline = process({"name": "ddpm"})
    assert replace(process({"name": "regularization"}), penalty=None) == baseline
