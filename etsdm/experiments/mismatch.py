"""mismatch: what a wrong condition costs, when x_t is at t and the network is given another time."""

from typing import ClassVar

from etsdm.diffusion.schedules import Schedule
from etsdm.experiments.experiment import Cell, Compared, check_within
from etsdm.experiments.measures import Measure, Probed
from etsdm.probes.mismatch import Offsets


class Mismatch(Compared, Offsets):
    """How much larger the error of the predicted x_0 is when x_t is at t and the network is given t + offset."""

    name: ClassVar[str] = "mismatch"
    order: ClassVar[int] = 82

    def measures(self) -> list[Measure]:
        return [Probed("mismatch", self.model_dump(include=set(Offsets.model_fields)))]

    def check_cell(self, cell: Cell, schedule: Schedule) -> None:
        for t in self.t:
            check_within(schedule, schedule.t_min, t=t)
