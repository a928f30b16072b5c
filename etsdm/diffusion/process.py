"""The diffusion process a network is trained on and sampled with: a schedule, as one method changes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from etsdm.diffusion import methods
from etsdm.diffusion.conditions import Condition, identity
from etsdm.diffusion.predictions import PREDICTIONS, Prediction
from etsdm.diffusion.schedules import Schedule, make_schedule

if TYPE_CHECKING:
    from etsdm.diffusion.predictor import NoisePredictor

Penalty = Callable[["NoisePredictor", Tensor, Tensor], Tensor]
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


def make_process(diffusion: dict[str, Any], method: dict[str, Any], resolution: int) -> Process:
    """The process of a specification.

    Args:
        diffusion: schedule, timesteps, time, tau_min and prediction.
        method: name and settings of the method.
        resolution: side of the images in pixels.
    """
    schedule = make_schedule(
        diffusion["schedule"], diffusion["timesteps"], resolution, diffusion["time"], diffusion["tau_min"]
    )
    plain = Process(schedule, PREDICTIONS[diffusion["prediction"]])
    return methods.load(method["name"])(plain, method)
