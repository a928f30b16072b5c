"""Analytic data: a mixture of isotropic Gaussians, whose best noise prediction is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor


def column(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@dataclass(frozen=True)
class GaussianMixture:
    """sum_k weights_k N(means_k, stds_k^2 I) in float64; means are (K, D), stds and weights (K,)."""

    means: Tensor = field(default_factory=lambda: column((-0.8, 0.1), (0.5, 0.6), (0.4, -0.7)))
    stds: Tensor = field(default_factory=lambda: torch.tensor([0.5, 0.4, 0.6], dtype=torch.float64))
    weights: Tensor = field(default_factory=lambda: torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64))

    def eps(self, x: Tensor, alpha: float, sigma: float) -> Tensor:
        """-sigma grad log q(x) of q, the law of alpha x_0 + sigma eps; x is (N, D)."""
        variances = (alpha * self.stds) ** 2 + sigma**2
        offsets = x[:, None, :] - alpha * self.means
        log_densities = self.weights.log() - x.shape[1] / 2 * variances.log() - (offsets**2).sum(-1) / (2 * variances)
        responsibilities = log_densities.softmax(-1)
        return sigma * ((responsibilities / variances)[..., None] * offsets).sum(1)

    def predictor(self, schedule: Any) -> Callable[[Tensor, float], Tensor]:
        """predict(x, t) -> eps."""
        return lambda x, t: self.eps(x, float(schedule.alpha(t)), float(schedule.sigma(t)))

    def mean(self) -> Tensor:
        return self.weights @ self.means

    def covariance(self) -> Tensor:
        offsets = self.means - self.mean()
        within = (self.weights * self.stds**2).sum() * torch.eye(self.means.shape[1], dtype=torch.float64)
        return within + (self.weights[:, None] * offsets).T @ offsets

    def flow(self, x: Tensor, lambda_start: float, lambda_end: float) -> Tensor:
        """The probability-flow ODE from x at one half log-SNR to another, by an eighth-order Runge-Kutta.

        In y = x / alpha it is dy / dlambda = -exp(-lambda) eps: it knows of no schedule and no time.
        """

        def level(lambda_: float) -> tuple[float, float]:
            return 1 / np.sqrt(1 + np.exp(-2 * lambda_)), 1 / np.sqrt(1 + np.exp(2 * lambda_))

        def slope(lambda_: float, y: np.ndarray) -> np.ndarray:
            alpha, sigma = level(lambda_)
            eps = self.eps(alpha * torch.from_numpy(y).reshape(x.shape), alpha, sigma)
            return -np.exp(-lambda_) * eps.numpy().ravel()

        start = (x / level(lambda_start)[0]).numpy().ravel()
        found = solve_ivp(slope, (lambda_start, lambda_end), start, "DOP853", rtol=1e-12, atol=1e-12)
        return level(lambda_end)[0] * torch.from_numpy(found.y[:, -1]).reshape(x.shape)


class SmoothSchedule:
    """The linear VP SDE in closed form, tau = (t + 1) / 1000: no kinks at the integers."""

    t_min, t_max = 0.0, 999.0
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
