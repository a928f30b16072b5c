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

    Penalty = Callable[[NoisePredictor, Tensor, Tensor], Tensor]
    """(predictor, x_t (B, C, H, W), t (B,)) -> what is added to the loss of each image, (B,)."""


@dataclass(frozen=True)
class Process:
    """Everything a method can change; as it stands, it is DDPM.

    Attributes:
        schedule: noise level at the true t.
        condition: f(t), what the network is told.
        prediction: what the network's output means.
        penalty: what is added to the loss.
    """

    schedule: Schedule
    prediction: Prediction
    condition: Condition = identity
    penalty: Penalty | None = None

    @property
    def last(self) -> float:
        """The last time that is trained: where alpha is 0 only if the prediction means something there."""
        return self.schedule.t_max if self.prediction.needs_signal else self.schedule.t_end
