"""Ancestral sampling: mean and covariance of a Gaussian, and steps worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from solving import MIXTURE, SCHEDULE_NAMES, noise_like, schedule_named, start
from typed import solve

from etsdm.solvers.ancestral import ancestral
from etsdm.solvers.grids import time_grid


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
    sample = ancestral(lambda y, _: eps, schedule, x, [t, s], variance, lambda: z)
    clean = (one_step - math.sqrt(1 - bar_s) * eps) / math.sqrt(bar_s)  # the last step adds no noise
    torch.testing.assert_close(sample, clean, rtol=1e-10, atol=1e-10)


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
