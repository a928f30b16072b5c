"""regularization: a penalty on the network's derivative in time near zero (an alternative in Yang et al. 2024)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from etsdm.config.strict import MOST_STEPS, Real
from etsdm.diffusion.methods.method import NearZero
from etsdm.diffusion.process import Process

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.diffusion.predictor import NoisePredictor


class Regularization(NearZero):
    """The baseline with a penalty on the network's derivative in t."""

    order: ClassVar[int] = 30

    name: Literal["regularization"]
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """The penalty applies below this time, in steps."""
    weight: Real = Field(100.0, gt=0)
    """Weight of the mean squared derivative, t counted in steps."""
    estimator: Literal["forward-mode", "finite-difference"] = "forward-mode"
    """Exact, by forward-mode differentiation, or the difference over one step."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"regularization-{self.t_tilde}-{self.weight:g}"

    def training_factor(self, timesteps: int) -> float:
        """The derivative takes two more evaluations, or one with a tangent, for the share of images below t_tilde."""
        return 1 + 2 * self.t_tilde / timesteps

    @property
    def keeps_activations(self) -> bool:
        """In forward mode."""
        return self.estimator == "forward-mode"


STEP = 1.0
"""Of the finite difference, in steps: the unit in which the paper's Lipschitz constants are stated."""


def forward_mode(predict: NoisePredictor, x: Tensor, t: Tensor) -> Tensor:
    """dF(x, t)/dt by forward-mode differentiation, (B, C, H, W), in units of F a step."""
    import torch
    from torch.func import jvp
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no forward derivative
        condition = predict.conditions(t, x)
        pushed = jvp(lambda c: predict.network_output(x, c), (condition,), (torch.ones_like(condition),))
    derivative: Tensor = pushed[1]
    return derivative


def finite_difference(predict: NoisePredictor, x: Tensor, t: Tensor) -> Tensor:
    """(F(x, t + STEP) - F(x, t)) / STEP, (B, C, H, W)."""
    return (predict.output(x, t + STEP) - predict.output(x, t)) / STEP


ESTIMATORS = {"forward-mode": forward_mode, "finite-difference": finite_difference}


def apply(process: Process, settings: Regularization) -> Process:
    """The process with `weight` || dF(x_t, t)/dt ||^2 added to the loss where t < `t_tilde`.

    F is the network's output. Like the loss, the square is a mean over values; t is counted in steps.
    """
    derivative = ESTIMATORS[settings.estimator]

    def penalty(predict: NoisePredictor, x: Tensor, t: Tensor) -> Tensor:
        import torch

        near = torch.nonzero(t < settings.t_tilde).flatten()
        added = x.new_zeros(len(x))
        if len(near) == 0:
            return added
        context = predict.context
        predict.context = None if context is None else context[near.to(x.device)]
        slopes = derivative(predict, x[near.to(x.device)], t[near])
        predict.context = context
        return added.index_add(0, near.to(x.device), settings.weight * slopes.square().flatten(1).mean(1))

    return replace(process, penalty=penalty)
