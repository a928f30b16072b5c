"""Analytic data: a mixture of isotropic Gaussians, whose best noise prediction is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from etsdm.diffusion import mixtures
from etsdm.diffusion.schedules.levels import VariancePreserving


def column(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


class GaussianMixture(mixtures.GaussianMixture):
    """The library's mixture with what solvers and samples are checked against."""

    def predictor(self, schedule: Any) -> Callable[[Tensor, float], Tensor]:
        """predict(x, t) -> eps."""
        return lambda x, t: self.eps(x, float(schedule.alpha(t)), float(schedule.sigma(t)))

    def mean(self) -> Tensor:
        return self.weights @ self.means

    def covariance(self) -> Tensor:
        offsets = self.means - self.mean()
        within = (self.weights * self.stds**2).sum() * torch.eye(self.means.shape[1], dtype=torch.float64)
        return within + (self.weights[:, None] * offsets).T @ offsets

    def flow(self, x: Tensor, lambda_start: float, lambda_end: float, straight: bool = False) -> Tensor:
        """The probability-flow ODE from x at one half log-SNR to another, by an eighth-order Runge-Kutta.

        In y = x / alpha it is dy / dlambda = -exp(-lambda) eps: it knows of no schedule and no time. On a straight path
        alpha + sigma = 1, on others alpha^2 + sigma^2 = 1.
        """
        p = 1 if straight else 2

        def level(lambda_: float) -> tuple[float, float]:
            return (1 + np.exp(-p * lambda_)) ** (-1 / p), (1 + np.exp(p * lambda_)) ** (-1 / p)

        def slope(lambda_: float, y: np.ndarray) -> np.ndarray:
            alpha, sigma = level(lambda_)
            eps = self.eps(alpha * torch.from_numpy(y).reshape(x.shape), alpha, sigma)
            return -np.exp(-lambda_) * eps.numpy().ravel()

        start = (x / level(lambda_start)[0]).numpy().ravel()
        solution = solve_ivp(slope, (lambda_start, lambda_end), start, "DOP853", rtol=1e-12, atol=1e-12)
        return level(lambda_end)[0] * torch.from_numpy(solution.y[:, -1]).reshape(x.shape)


class SmoothSchedule:
    """The linear VP SDE in closed form, tau = (t + 1) / 1000: no kinks at the integers."""

    t_stop, t_max = 0.0, 999.0
    shared_edges = ()
    levels = VariancePreserving
    beta_0, beta_1 = 0.1, 20.0

    def log_alpha(self, t: Any) -> Any:
        tau = (np.asarray(t) + 1) / 1000
        return -(self.beta_1 - self.beta_0) * tau**2 / 4 - self.beta_0 * tau / 2

    def alpha(self, t: Any) -> Any:
        return np.exp(self.log_alpha(t))

    def sigma(self, t: Any) -> Any:
        return np.sqrt(-np.expm1(2 * self.log_alpha(t)))

    def lambda_(self, t: Any) -> Any:
        return self.log_alpha(t) - np.log(self.sigma(t))

    def t_of_lambda(self, lambda_: Any) -> Any:
        c = 2 * np.logaddexp(-2 * np.asarray(lambda_), 0)
        slope = self.beta_1 - self.beta_0
        return 1000 * c / (np.sqrt(self.beta_0**2 + slope * c) + self.beta_0) - 1
