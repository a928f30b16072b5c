"""How the loss counts times: the distributions of training times and the weights, against formulas and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from configs import tiny
from scipy import stats
from typed import process_with

from etsdm.diffusion.loss_weights import LOSS_WEIGHTS
from etsdm.diffusion.losses import prediction_loss
from etsdm.diffusion.predictions import PREDICTIONS
from etsdm.diffusion.process import Process
from etsdm.diffusion.training_times import TRAINING_TIMES
from etsdm.models.trained import make_predictor
from etsdm.plan.plan import make_plan

UNIFORM = (np.arange(20_000) + 0.5) / 20_000
LAWS = {
    "beta-0.8-1": ({"name": "beta"}, stats.beta(0.8, 1)),
    "beta-2-0.5": ({"name": "beta", "a": 2, "b": 0.5}, stats.beta(2, 0.5)),
    "logit-normal-0-1": ({"name": "logit-normal"}, None),
    "logit-normal--1-0.5": ({"name": "logit-normal", "mean": -1, "std": 0.5}, None),
}


def process(method: str = "ddpm", **diffusion: Any) -> Process:
    defaults = {"timesteps": 1000, "schedule": "linear", "time": "discrete", "prediction": "eps", "tau_min": 1e-3}
    return process_with(defaults | diffusion, {"name": method})


@pytest.mark.parametrize("law", LAWS)
def test_times_in_continuous_time_follow_their_law(law: str) -> None:
    settings, exact = LAWS[law]
    assert TRAINING_TIMES.read(settings).slug == law  # type: ignore[attr-defined]
    drawn = process(time="continuous", training_times=settings).draw(UNIFORM)
    tau = (drawn - 1) / (1000 - 1)
    if exact is None:
        logit = np.log(tau / (1 - tau))
        assert logit.mean() == pytest.approx(settings.get("mean", 0), abs=1e-3)
        assert logit.std() == pytest.approx(settings.get("std", 1), rel=5e-3)
        assert stats.kstest(logit, stats.norm(settings.get("mean", 0), settings.get("std", 1)).cdf).statistic < 1e-3
    else:
        assert stats.kstest(tau, exact.cdf).statistic < 1e-3


@pytest.mark.parametrize("settings", [{"name": "beta"}, {"name": "logit-normal"}])
@pytest.mark.parametrize("schedule", ["linear", "zero-terminal-snr", "flow"])
def test_times_in_discrete_time_are_the_integers_that_are_trained(schedule: str, settings: dict[str, Any]) -> None:
    """Even where the uniform number is 0 or all but 1."""
    diffusion = process(schedule=schedule, training_times=settings)
    drawn = diffusion.draw(np.array([0.0, *UNIFORM, np.nextafter(1, 0)]))
    assert (drawn == np.floor(drawn)).all()
    assert drawn.min() == 0 and drawn.max() <= diffusion.last


def test_beta_below_one_trains_clean_times_more_often() -> None:
    drawn = process(training_times={"name": "beta", "a": 0.8, "b": 1}).draw(UNIFORM)
    assert (drawn < 100).mean() == pytest.approx(0.1**0.8, abs=1e-3)


WEIGHTS = {
    "min-snr-5": ({"name": "min-snr"}, lambda snr: np.minimum(snr, 5) / snr),
    "min-snr-1": ({"name": "min-snr", "gamma": 1}, lambda snr: np.minimum(snr, 1) / snr),
    "p2-1-1": ({"name": "p2"}, lambda snr: 1 / (1 + snr)),
    "p2-2-0.5": ({"name": "p2", "k": 2, "gamma": 0.5}, lambda snr: (2 + snr) ** -0.5),
}
PUBLISHED = {"eps": lambda snr: 1 / snr, "v": lambda snr: 1 / (snr + 1), "x_0": lambda snr: np.ones_like(snr)}
"""Min-SNR's weight of each prediction's own error, over min(SNR, gamma) (Hang et al. 2023; Salimans & Ho 2022)."""


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_weight_is_that_of_the_errors_of_the_noise_whatever_is_predicted(prediction: str, weight: str) -> None:
    """One guess of x_0 has one loss, in whichever form the network gives it."""
    settings, formula = WEIGHTS[weight]
    assert LOSS_WEIGHTS.read(settings).slug == weight  # type: ignore[attr-defined]
    diffusion = process(prediction=prediction, loss_weight=settings)
    generator = torch.Generator().manual_seed(0)
    x0, eps, guess = torch.randn(3, 5, 1, 2, 2, dtype=torch.float64, generator=generator)
    t = torch.tensor([0.0, 20.0, 200.0, 500.0, 950.0], dtype=torch.float64)
    levels = (diffusion.schedule.alpha, diffusion.schedule.sigma)
    alpha, sigma = (torch.from_numpy(level(t.numpy())).view(-1, 1, 1, 1) for level in levels)
    implied = (alpha * x0 + sigma * eps - alpha * guess) / sigma
    output = diffusion.prediction.target(guess, implied, alpha, sigma)
    losses = prediction_loss(make_predictor(lambda x, c: output, diffusion), x0, eps, t, weight=diffusion.weight)
    snr = (alpha / sigma).numpy() ** 2
    expected = torch.from_numpy(formula(snr)) * (implied - eps).square()
    torch.testing.assert_close(losses, expected.mean((1, 2, 3)), rtol=1e-9, atol=0)
    if settings["name"] == "min-snr" and prediction in PUBLISHED:
        own = np.minimum(snr, settings.get("gamma", 5)) * PUBLISHED[prediction](snr)
        errors = (output - diffusion.prediction.target(x0, eps, alpha, sigma)).square()
        torch.testing.assert_close(losses, (torch.from_numpy(own) * errors).mean((1, 2, 3)), rtol=1e-9, atol=0)


def test_the_usual_loss_leaves_paths_as_they_were_and_others_are_told_apart() -> None:
    def paths(**diffusion: Any) -> list[str]:
        config = tiny()
        config["diffusion"] |= diffusion
        return list(make_plan(config, "test").models)

    usual = paths()
    assert usual == paths(training_times="uniform", loss_weight="none") == paths(training_times=None, loss_weight=None)
    others = paths(training_times="beta", loss_weight={"name": "min-snr", "gamma": 5})
    assert not {*usual} & {*others}
    assert all("beta-0.8-1-min-snr-5" in path for path in others)


def test_an_experiment_crosses_times_and_weights_with_methods() -> None:
    block = {"datasets": ["digits"], "methods": ["ddpm", "etsdm"], "solvers": ["ddim"]}
    block |= {"training_times": ["uniform", "beta"], "loss_weights": ["none", "min-snr"]}
    block["solvers"] = [{"name": "ddim", "nfe": 2}]
    models = make_plan(tiny(experiments={"comparison": block}), "test").models.values()
    keys = ("training_times", "loss_weight")
    combinations = {(run.spec["method"]["name"], *(key in run.spec["diffusion"] for key in keys)) for run in models}
    assert len(combinations) == len(models) == 8
