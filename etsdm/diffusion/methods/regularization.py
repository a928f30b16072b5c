"""regularization: a penalty on the network's derivative in time near zero (an alternative in Yang et al. 2024)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.process import Process

Derivative = Callable[[NoisePredictor, Tensor, Tensor], Tensor]
STEP = 1.0
"""Of the finite difference, in steps: the unit in which the paper's Lipschitz constants are stated."""


def forward_mode(predict: NoisePredictor, x: Tensor, t: Tensor) -> Tensor:
    """dF(x, t)/dt by forward-mode differentiation, (B, C, H, W), in units of F a step."""
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no forward derivative
        condition = predict.conditions(t, x)
        pushed = jvp(lambda c: predict.network_output(x, c), (condition,), (torch.ones_like(condition),))
    derivative: Tensor = pushed[1]
    return derivative


def finite_difference(predict: NoisePredictor, x: Tensor, t: Tensor) -> Tensor:
    """(F(x, t + STEP) - F(x, t)) / STEP, (B, C, H, W)."""
    return (predict.output(x, t + STEP) - predict.output(x, t)) / STEP


ESTIMATORS: dict[str, Derivative] = {"forward-mode": forward_mode, "finite-difference": finite_difference}


def apply(process: Process, settings: dict[str, Any]) -> Process:
    """The process with `weight` || dF(x_t, t)/dt ||^2 added to the loss where t < `t_tilde`.

    F is the network's output. Like the loss, the square is a mean over values; t is counted in steps.
    """
    derivative = ESTIMATORS[settings["estimator"]]

    def penalty(predict: NoisePredictor, x: Tensor, t: Tensor) -> Tensor:
        near = torch.nonzero(t < settings["t_tilde"]).flatten()
        added = x.new_zeros(len(x))
        if len(near) == 0:
            return added
        context = predict.context
        predict.context = None if context is None else context[near.to(x.device)]
        slopes = derivative(predict, x[near.to(x.device)], t[near])
        predict.context = context
        return added.index_add(0, near.to(x.device), settings["weight"] * slopes.square().flatten(1).mean(1))

    return replace(process, penalty=penalty)
