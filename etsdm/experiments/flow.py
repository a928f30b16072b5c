"""flow: E-TSDM on the straight path of flow matching, where the mechanism that it is made against has no cause."""

from typing import ClassVar

from pydantic import Field

from etsdm.diffusion.settings import Predictions, Schedules
from etsdm.experiments.experiment import Sampled
from etsdm.experiments.measures import Measure
from etsdm.experiments.pairs import OfPairs


class FlowMatching(Sampled, OfPairs):
    """Flow matching beside diffusion: distances, and K."""

    name: ClassVar[str] = "flow"
    order: ClassVar[int] = 55

    schedules: Schedules = Field(["linear", "flow"])
    """Noise schedules: one that preserves the variance, and the straight path."""
    predictions: Predictions = Field(["flow"])
    """What the network predicts: flow matching's velocity on both."""

    def measures(self) -> list[Measure]:
        return [*super().measures(), self.k()]
