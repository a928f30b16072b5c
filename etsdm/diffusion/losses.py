"""Training losses."""

import torch
from torch import Tensor

from etsdm.diffusion.predictor import NoisePredictor


def diffuse(x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """x_t = alpha_t x_0 + sigma_t eps, for levels of shape (B,) and images of shape (B, C, H, W)."""
    shape = (-1, *[1] * (x0.ndim - 1))
    return alpha.view(shape) * x0 + sigma.view(shape) * eps


def noise_prediction_loss(predict: NoisePredictor, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """Mean squared error of the predicted noise for each image (Ho et al. 2020, equation 14).

    With E-TSDM's condition inside `predict` it is Yang et al. (2024), equation 8: the noise level follows the true t.

    Args:
        predict: the network with its schedule and condition.
        x0: clean images in [-1, 1], (B, C, H, W).
        eps: standard normal noise, like `x0`.
        t: integer times, (B,).

    Returns:
        The loss of each image, (B,).
    """
    alphas = torch.as_tensor(predict.schedule.alphas, dtype=x0.dtype, device=x0.device)
    sigmas = torch.as_tensor(predict.schedule.sigmas, dtype=x0.dtype, device=x0.device)
    x_t = diffuse(x0, eps, alphas[t], sigmas[t])
    return (predict(x_t, t) - eps).square().flatten(1).mean(1)
