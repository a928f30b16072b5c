"""What every solver's settings have, and what its function is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from etsdm.config.strict import MOST_STEPS, Real, Strict, distinct
from etsdm.diffusion.schedules import Schedule
from etsdm.solvers.eps_scale import EpsScale
from etsdm.solvers.grids import GridName, start
from etsdm.solvers.time_shift import TimeShift

if TYPE_CHECKING:
    from torch import Tensor

    Predict = Callable[[Tensor, float], Tensor]
    """eps = predict(x, t): a NoisePredictor, or anything like it."""
    Noise = Callable[[], Tensor]
    """A fresh standard normal tensor like x at each call."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


Nfe = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Budgets = Annotated[
    list[Nfe],
    Field(min_length=1),
    AfterValidator(distinct),
    BeforeValidator(_listed, json_schema_input_type=Nfe | Annotated[list[Nfe], Field(min_length=1)]),
]


class Solver(Strict):
    """Settings of a solver.

    Attributes:
        order: place among the solvers.
        formerly: what configurations called it before, which is refused with its name.
        is_chain: whether it is a chain of at most T steps in continuous time as well.
        stops_inside: whether it evaluates the network at noise levels inside its steps.
    """

    order: ClassVar[int]
    formerly: ClassVar[str | None] = None
    is_chain: ClassVar[bool] = False
    stops_inside: ClassVar[bool] = False

    name: str
    nfe: Budgets
    """Budgets of network evaluations; each becomes a sample set."""
    grid: GridName = "uniform"
    """How the times are spaced: evenly in t, evenly in sqrt(t), or evenly in lambda_t."""
    denoise: bool = False
    """Spend the last evaluation on predicting x_0 at the end, t = 0 or `t_end` (`denoise_to_zero`)."""
    clip_x0: bool | Literal["auto"] = "auto"
    """Clip each predicted x_0 to [-1, 1]. auto: where the network predicts the noise or the score and lambda at the
    start is below -6, because there x_0 is what is left after a division by next to nothing."""
    lambda_start: Real | None = Field(None, lt=-3)
    """Start sampling where lambda_t is this, if t_max is noisier; null: at t_max. The authors of DPM-Solver start at
    -5.1. The noise is standard normal all the same, so it must be below -3, where alpha is 0.05."""
    t_end: int | None = Field(None, ge=0, le=MOST_STEPS)
    """Stop at this time, in steps, and predict x_0 there with the last evaluation. It needs `denoise: true`. null, or a
    time below t_min: stop where sampling ends anyway."""
    eps_scale: EpsScale | None = None
    """Divide the predicted noise by this, a number or `{k: ..., b: ...}` for k t + b, before x_0 is clipped."""
    time_shift: TimeShift | None = None
    """Tell the network the time near t whose noise variance fits x, by `{window: ..., cutoff: ...}`. null: t."""

    @property
    def budget(self) -> int:
        """Evaluations of a run, which has one budget."""
        (nfe,) = self.nfe
        return nfe

    @property
    def draws_noise(self) -> bool:
        """Whether it draws noise at each step, and so solves no ODE."""
        return False

    def full_order(self) -> int:
        """Evaluations with which it takes its first step of full order, without a final denoising."""
        return 1

    def fewest(self) -> int:
        """Fewest evaluations with which it is what its name says."""
        return self.full_order() + self.denoise

    def too_many(self, timesteps: int, whole: bool) -> str | None:
        """Why a budget is more than a network can answer differently; None if none is.

        In discrete time a network knows T times. Solvers stop between them, where log alpha is interpolated, but with
        more stops than times there are several in a step, and the network has learned nothing of what lies between.
        Those below `t_end` are none that a solver stops at.

        Args:
            timesteps: T.
            whole: whether training knows the integers only, as in discrete time.
        """
        most = timesteps - (self.t_end or 0)
        if max(self.nfe) <= most or not (whole or self.is_chain):
            return None
        where = f" from t_end = {self.t_end} on" if self.t_end else ""
        return (
            f"nfe = {max(self.nfe)} of {self.name} is more than the {most} timesteps that there are{where}; "
            f"allowed: up to {most}"
        )

    def too_late(self, schedule: Schedule) -> str | None:
        """Why sampling cannot stop at `t_end`; None if it can."""
        first = start(schedule, self.lambda_start)
        if self.t_end is None or self.t_end < first:
            return None
        return f"t_end = {self.t_end} of {self.name} must be below t = {first:g}, where sampling starts"

    @model_validator(mode="after")
    def _enough_evaluations(self) -> Self:
        least = self.fewest()
        for nfe in self.nfe:
            if nfe < least:
                raise ValueError(f"nfe = {nfe} is too few: {self.name} with these settings needs at least {least}")
        return self

    @model_validator(mode="after")
    def _ends_clean(self) -> Self:
        if self.t_end is not None and not self.denoise:
            raise ValueError("t_end: x is noisy there, so the last evaluation must predict x_0; give denoise: true")
        return self


def data_prediction(predict: Predict, schedule: Schedule, x: Tensor, t: float) -> Tensor:
    """The clean images that the noise predicted in x at t implies, x_0 = (x - sigma_t eps) / alpha_t."""
    return (x - float(schedule.sigma(t)) * predict(x, t)) / float(schedule.alpha(t))
