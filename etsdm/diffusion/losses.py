"""The training loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from etsdm.diffusion.predictions import Prediction
from etsdm.diffusion.predictor import NoisePredictor, diffuse

if TYPE_CHECKING:
    from etsdm.diffusion.process import Penalty, Weight


def prediction_loss(
    predict: NoisePredictor,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    penalty: Penalty | None = None,
    weight: Weight | None = None,
) -> Tensor:
    """Mean squared error of what the network predicts, for each image (Ho et al. 2020, equation 14).

    With E-TSDM's condition inside `predict` it is Yang et al. (2024), equation 8: the noise level follows the true t.

    Args:
        predict: the network with its schedule, condition and prediction.
        x0: clean images in [-1, 1], (B, C, H, W).
        eps: standard normal noise, like `x0`.
        t: times, (B,), float64 on the CPU.
        penalty: what the method adds.
        weight: weight of the squared error of the noise; None: the error of what is predicted counts as its own
            `weight` says.

    Returns:
        The loss of each image, (B,).
    """
    levels = predict.levels(t, x0)
    losses = loss_at(predict, x0, eps, *levels, predict.conditions(t, x0), weight)
    return losses + penalty(predict, diffuse(x0, eps, *levels), t) if penalty else losses


def loss_at(
    predict: NoisePredictor,
    x0: Tensor,
    eps: Tensor,
    alpha: Tensor,
    sigma: Tensor,
    condition: Tensor,
    weight: Weight | None = None,
) -> Tensor:
    """`prediction_loss` for given levels (B, 1, 1, 1) and conditions (B,), with all tensors on one device."""
    output = predict.network_output(diffuse(x0, eps, alpha, sigma), condition)
    errors = (output - predict.prediction.target(x0, eps, alpha, sigma)).square()
    if weight:
        errors = weight(alpha, sigma) * slope(predict.prediction, alpha, sigma).square() * errors
    elif predict.prediction.weight:
        errors = predict.prediction.weight(alpha, sigma) * errors
    return errors.flatten(1).mean(1)


def slope(prediction: Prediction, alpha: Tensor, sigma: Tensor) -> Tensor:
    """By how much an error of the output becomes one of the noise, like `alpha`: the noise is linear in the output."""
    return prediction.eps(torch.ones_like(alpha), torch.zeros_like(alpha), alpha, sigma)
