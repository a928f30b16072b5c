"""What a network predicts, and the noise that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """A parametrisation of the network's output F; levels are broadcast to the images' shape.

    Attributes:
        target: (x_0, eps, alpha, sigma) -> what F is trained towards.
        eps: (F, x_t, alpha, sigma) -> the noise that F implies in x_t.
        weight: (alpha, sigma) -> weight of the squared error.
        needs_signal: whether F means nothing where alpha = 0.
    """

    target: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    eps: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    weight: Callable[[Tensor, Tensor], Tensor] | None = None
    needs_signal: bool = False


NOISE = Prediction(
    target=lambda x0, eps, alpha, sigma: eps,
    eps=lambda output, x, alpha, sigma: output,
    needs_signal=True,
)
"""F = eps (Ho et al. 2020, equation 14). At alpha = 0 it is x itself and says nothing of x_0."""

VELOCITY = Prediction(
    target=lambda x0, eps, alpha, sigma: alpha * eps - sigma * x0,
    eps=lambda output, x, alpha, sigma: sigma * x + alpha * output,
)
"""F = v = alpha eps - sigma x_0 (Salimans & Ho 2022, appendix D)."""

DATA = Prediction(
    target=lambda x0, eps, alpha, sigma: x0,
    eps=lambda output, x, alpha, sigma: (x - alpha * output) / sigma,
)
"""F = x_0."""

SCORE = Prediction(
    target=lambda x0, eps, alpha, sigma: -eps / sigma,
    eps=lambda output, x, alpha, sigma: -sigma * output,
    weight=lambda alpha, sigma: sigma**2,
    needs_signal=True,
)
"""F = the score, grad log q_t(x) = -eps / sigma, with sigma^2 as weight (Song et al. 2021, equation 7)."""

SCORE_OVER_SIGMA = Prediction(
    target=lambda x0, eps, alpha, sigma: -eps,
    eps=lambda output, x, alpha, sigma: -output,
    needs_signal=True,
)
"""F / sigma = the score, with sigma^2 as weight (Song et al. 2021, equation 7, scaled as in their code).

sigma^2 || F / sigma + eps / sigma ||^2 = || F + eps ||^2: the loss of `NOISE` for the network -F. So `SCORE` and
`NOISE` differ by the scaling of the output alone, which asks F of `SCORE` for values of the size 1 / sigma."""

FLOW = Prediction(
    target=lambda x0, eps, alpha, sigma: eps - x0,
    eps=lambda output, x, alpha, sigma: (x + alpha * output) / (alpha + sigma),
)
"""F = eps - x_0, the velocity dx/dtau of a straight path (Liu et al. 2023, equation 1; Lipman et al. 2023).

x + alpha F = (alpha + sigma) eps for any alpha and sigma, so it can be predicted on any schedule."""

PREDICTIONS = {"eps": NOISE, "v": VELOCITY, "x_0": DATA, "flow": FLOW}
"""Those that a configuration can name."""
