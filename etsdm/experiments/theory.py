"""theory: the time derivative and the error bound, where the best noise prediction is exact."""

from typing import ClassVar

from pydantic import Field

from etsdm.config.strict import MOST_STEPS, Steps
from etsdm.diffusion.settings import Schedules, Times
from etsdm.experiments.experiment import Common, Experiment
from etsdm.experiments.measures import Exact, Measure


class Theory(Experiment):
    """On a mixture of Gaussians, where the best noise prediction is exact: its time derivative, and the error bound."""

    name: ClassVar[str] = "theory"
    order: ClassVar[int] = 130

    schedules: Schedules
    """Noise schedules."""
    times: Times
    """Discrete or continuous time."""
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """End of the shared interval, in steps."""
    n: Steps = Field([1, 2, 4, 5, 10, 20, 50, 100])
    """Numbers of sub-intervals."""
    points: int = Field(256, ge=2, le=1_000_000)
    """Samples x_t at each time."""

    def alone(self) -> list[Measure]:
        return [Exact(self.model_dump())]

    def check(self, common: Common) -> None:
        if self.t_tilde >= common.diffusion.timesteps:
            raise ValueError(f"t_tilde = {self.t_tilde} must be less than T = {common.diffusion.timesteps}")
