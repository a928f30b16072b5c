"""Data whose best noise prediction is known in closed form: mixtures of isotropic Gaussians, in float64."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


def _rows(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@dataclass(frozen=True)
class GaussianMixture:
    """sum_k weights_k N(means_k, stds_k^2 I); by default three overlapping clouds in the plane.

    Diffused to levels (alpha, sigma) it stays a mixture, of N(alpha means_k, (alpha^2 stds_k^2 + sigma^2) I): so its
    score is smooth in time and bounded on bounded sets, even at sigma = 0.

    Args:
        means: (K, D).
        stds: above 0, (K,).
        weights: of sum 1, (K,).
    """

    means: Tensor = field(default_factory=lambda: _rows((-0.8, 0.1), (0.5, 0.6), (0.4, -0.7)))
    stds: Tensor = field(default_factory=lambda: _rows((0.5, 0.4, 0.6))[0])
    weights: Tensor = field(default_factory=lambda: _rows((0.3, 0.5, 0.2))[0])

    def score(self, x: Tensor, alpha: float | Tensor, sigma: float | Tensor) -> Tensor:
        """grad log q(x) of q, the law of alpha x_0 + sigma eps.

        It is the mean of -(x - alpha means_k) / variance_k over the components, weighted by their posterior.

        Args:
            x: points (..., D).
            alpha: signal level, a number or a tensor that broadcasts to the points' shape without D.
            sigma: noise level, like `alpha`.

        Returns:
            (..., D), in the shape that x and the levels broadcast to.
        """
        signal = torch.as_tensor(alpha, dtype=torch.float64)[..., None]
        noise = torch.as_tensor(sigma, dtype=torch.float64)[..., None]
        variances = (signal * self.stds) ** 2 + noise**2
        offsets = x[..., None, :] - signal[..., None] * self.means
        log_joint = self.weights.log() - x.shape[-1] / 2 * variances.log() - (offsets**2).sum(-1) / (2 * variances)
        posterior = log_joint.softmax(-1)
        return -((posterior / variances)[..., None] * offsets).sum(-2)

    def eps(self, x: Tensor, alpha: float | Tensor, sigma: float | Tensor) -> Tensor:
        """The best noise prediction, eps*(x) = E[eps | x] = -sigma grad log q(x); arguments as for `score`."""
        return -torch.as_tensor(sigma, dtype=torch.float64)[..., None] * self.score(x, alpha, sigma)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Points of the mixture, (count, D)."""
        component = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], dtype=torch.float64, generator=generator)
        return self.means[component] + self.stds[component, None] * noise
