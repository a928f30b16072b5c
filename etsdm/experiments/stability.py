"""stability: how much the predicted and the fully solved x_0 change when noise is added to x_t."""

from typing import ClassVar

from etsdm.diffusion.schedules import Schedule
from etsdm.experiments.experiment import Cell, Compared, check_within
from etsdm.experiments.measures import Measure, Probed
from etsdm.probes.stability import Perturbations


class Stability(Compared, Perturbations):
    """How much the predicted and the fully solved x_0 change when noise is added to x_t."""

    name: ClassVar[str] = "stability"
    order: ClassVar[int] = 80

    def measures(self) -> list[Measure]:
        return [Probed("stability", self.model_dump(include=set(Perturbations.model_fields)))]

    def check_cell(self, cell: Cell, schedule: Schedule) -> None:
        check_within(schedule, schedule.t_stop, t=self.t)
        most = int(self.t - schedule.t_stop) + 1
        if schedule.whole and self.nfe > most:
            raise ValueError(
                f"nfe = {self.nfe} is more than the {most} timesteps from t = {self.t} down; allowed: up to {most}"
            )
