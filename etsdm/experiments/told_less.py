"""told-less: how much of t a network must be told, from all of it to nothing, and what goes with the distance.

E-TSDM is one point of that axis. At its end the condition is withheld everywhere (Sun et al. 2025). Theory says that
predicted noise fails there and predicted v does not (Sahraee-Ardakan et al. 2026). Slower embeddings and remapped times
lower K while they tell all.
"""

from typing import ClassVar

from pydantic import Field

from etsdm.diffusion.schedules import Schedule
from etsdm.diffusion.settings import Predictions
from etsdm.experiments.experiment import Cell, Sampled, check_within
from etsdm.experiments.measures import Measure, Probed
from etsdm.experiments.pairs import OfPairs
from etsdm.probes.mismatch import Offsets


class ToldLess(Sampled, OfPairs, Offsets):
    """How much of t the network is told: distance, K and the cost of a wrong condition of each method side by side."""

    name: ClassVar[str] = "told-less"
    order: ClassVar[int] = 68

    predictions: Predictions = Field(["eps", "v"])
    """What the network predicts."""

    def measures(self) -> list[Measure]:
        wrong = Probed("mismatch", self.model_dump(include=set(Offsets.model_fields)))
        return [*super().measures(), self.k(), wrong]

    def check_cell(self, cell: Cell, schedule: Schedule) -> None:
        super().check_cell(cell, schedule)
        for t in self.t:
            check_within(schedule, schedule.t_min, t=t)
