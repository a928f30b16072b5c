"""The forward process, as a configuration states it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from etsdm.config.registry import NameOf
from etsdm.config.strict import Real, Strict, distinct
from etsdm.diffusion.loss_weights import OneLossWeight
from etsdm.diffusion.predictions import PREDICTIONS
from etsdm.diffusion.schedules import SCHEDULES
from etsdm.diffusion.schedules.levels import VariancePreserving
from etsdm.diffusion.training_times import OneTrainingTimes

ScheduleName = Annotated[str, NameOf("schedule", SCHEDULES.names)]
PredictionName = Annotated[str, NameOf("prediction", PREDICTIONS.keys)]
TimeName = Literal["discrete", "continuous"]
Schedules = Annotated[list[ScheduleName], Field(min_length=1), AfterValidator(distinct)]
Times = Annotated[list[TimeName], Field(min_length=1), AfterValidator(distinct)]
DistributionsOfTimes = Annotated[list[OneTrainingTimes], Field(min_length=1), AfterValidator(distinct)]
LossWeights = Annotated[list[OneLossWeight], Field(min_length=1), AfterValidator(distinct)]
Predictions = Annotated[list[PredictionName], Field(min_length=1), AfterValidator(distinct)]


class Diffusion(Strict):
    """The forward process, and how the loss counts its times."""

    timesteps: int = Field(1000, ge=50, le=100_000)
    """T."""
    schedule: ScheduleName = "linear"
    """Noise schedule where an experiment names none."""
    time: TimeName = "discrete"
    """Training times: the integers 0 to T - 1, or any t = T tau with tau_min <= tau <= 1."""
    prediction: PredictionName = "eps"
    """What the network predicts: the noise, v = alpha eps - sigma x_0, x_0, or flow matching's eps - x_0."""
    tau_min: Real = Field(1e-3, gt=0, lt=0.1)
    """In continuous time, the least tau in training and the end of sampling. modified-schedule ends at its noise
    level."""
    training_times: OneTrainingTimes = None
    """How often each time is trained; null or `uniform`: all alike."""
    loss_weight: OneLossWeight = None
    """How much the error at each time counts; null or `none`: that of what is predicted counts as it is."""

    def refusal(self) -> str | None:
        """Why this combination of settings cannot be used; None if it can."""
        family = SCHEDULES[self.schedule]
        if self.time == "continuous" and not family.is_continuous():
            return f"the schedule {self.schedule} has no formula in continuous time; use it with time discrete"
        if self.prediction == "v" and family.levels is not VariancePreserving:
            return (
                f"v gives the noise only where alpha^2 + sigma^2 = 1, and {self.schedule} is a straight path; "
                "use prediction flow"
            )
        return None
