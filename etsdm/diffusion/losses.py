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
    counts = error_weights(predict.prediction, *levels, weight)
    losses = loss_at(predict, x0, eps, *levels, predict.conditions(t, x0), counts)
    return losses + penalty(predict, diffuse(x0, eps, *levels), t) if penalty else losses


def loss_at(
    predict: NoisePredictor,
    x0: Tensor,
    eps: Tensor,
    alpha: Tensor,
    sigma: Tensor,
    condition: Tensor,
    counts: Tensor | None = None,
) -> Tensor:
    """`prediction_loss` without a penalty, on tensors of one device.

    Args:
        predict, x0, eps: as there.
        alpha, sigma: levels, (B, 1, 1, 1).
        condition: what the network is told, (B,).
        counts: weight of each image's error, (B, 1, 1, 1); None: 1.
    """
    output = predict.network_output(diffuse(x0, eps, alpha, sigma), condition)
    errors = (output - predict.prediction.target(x0, eps, alpha, sigma)).square()
    return (errors if counts is None else counts * errors).flatten(1).mean(1)


def error_weights(prediction: Prediction, alpha: Tensor, sigma: Tensor, weight: Weight | None = None) -> Tensor | None:
    """How the squared error of the output counts at these levels, like `alpha`; None: as it is.

    Args:
        prediction: what the network predicts.
        alpha, sigma: levels, (B, 1, 1, 1).
        weight: of the squared error of the noise; None: the prediction's own weight of its output's error.
    """
    if weight:
        return weight(alpha, sigma) * slope(prediction, alpha, sigma).square()
    return prediction.weight(alpha, sigma) if prediction.weight else None


def slope(prediction: Prediction, alpha: Tensor, sigma: Tensor) -> Tensor:
    """By how much an error of the output becomes one of the noise, like `alpha`: the noise is linear in the output."""
    return prediction.eps(torch.ones_like(alpha), torch.zeros_like(alpha), alpha, sigma)
