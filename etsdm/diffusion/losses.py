"""The training loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from etsdm.diffusion.predictor import NoisePredictor, diffuse

if TYPE_CHECKING:
    from etsdm.diffusion.process import Penalty


def prediction_loss(
    predict: NoisePredictor, x0: Tensor, eps: Tensor, t: Tensor, penalty: Penalty | None = None
) -> Tensor:
    """Mean squared error of what the network predicts, for each image (Ho et al. 2020, equation 14).

    With E-TSDM's condition inside `predict` it is Yang et al. (2024), equation 8: the noise level follows the true t.

    Args:
        predict: the network with its schedule, condition and prediction.
        x0: clean images in [-1, 1], (B, C, H, W).
        eps: standard normal noise, like `x0`.
        t: times, (B,), float64 on the CPU.
        penalty: what the method adds.

    Returns:
        The loss of each image, (B,).
    """
    alpha, sigma = predict.levels(t, x0)
    x_t = diffuse(x0, eps, alpha, sigma)
    errors = (predict.output(x_t, t) - predict.prediction.target(x0, eps, alpha, sigma)).square()
    if predict.prediction.weight:
        errors = predict.prediction.weight(alpha, sigma) * errors
    losses = errors.flatten(1).mean(1)
    return losses + penalty(predict, x_t, t) if penalty else losses
