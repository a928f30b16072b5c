"""The diffusion process a network is trained on and sampled with: a schedule, as one method changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etsdm.diffusion.conditions import Condition, identity
from etsdm.diffusion.predictions import Prediction
from etsdm.diffusion.schedules import Schedule

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.diffusion.predictor import NoisePredictor
    from etsdm.diffusion.schedules import Array

    Penalty = Callable[[NoisePredictor, Tensor, Tensor], Tensor]
    """(predictor, x_t (B, C, H, W), t (B,)) -> what is added to the loss of each image, (B,)."""
    Weight = Callable[[Tensor, Tensor], Tensor]
    """(alpha, sigma) -> the weight of the squared error of the noise, all of one shape."""
    Quantile = Callable[[Array], Array]
    """From uniform numbers in [0, 1) to numbers in [0, 1] of another distribution."""


@dataclass(frozen=True)
class Process:
    """Everything a method can change; as it stands, it is DDPM.

    Attributes:
        schedule: noise level at the true t.
        condition: f(t), what the network is told.
        prediction: what the network's output means.
        penalty: what is added to the loss.
        weight: how the error of each time counts; None: as the prediction says.
        quantile: how the times of training are distributed; None: evenly.
    """

    schedule: Schedule
    prediction: Prediction
    condition: Condition = identity
    penalty: Penalty | None = None
    weight: Weight | None = None
    quantile: Quantile | None = None

    @property
    def last(self) -> float:
        """The last time that is trained: where alpha is 0 only if the prediction means something there."""
        return self.schedule.t_max if self.prediction.needs_signal else self.schedule.t_end

    def draw(self, uniform: Array) -> Array:
        """Times to train, from numbers uniform in [0, 1)."""
        return self.schedule.draw(self.quantile(uniform) if self.quantile else uniform, self.last)
