"""solver-error: how far each solver ends from a tight solution of the same ODE."""

from typing import ClassVar

from etsdm.diffusion.schedules import Schedule
from etsdm.experiments.experiment import Cell, Compared
from etsdm.experiments.measures import Measure, Probed
from etsdm.probes.solver_error import Solutions


class SolverError(Compared, Solutions):
    """Distance of each solver's x at the end of sampling from a tight solution of the same ODE, from the same noise."""

    name: ClassVar[str] = "solver-error"
    order: ClassVar[int] = 100

    def measures(self) -> list[Measure]:
        settings = self.model_dump(include=set(Solutions.model_fields), exclude_none=True)
        return [Probed("solver-error", settings)]

    def check_cell(self, cell: Cell, schedule: Schedule) -> None:
        if schedule.shared_edges:
            raise ValueError(
                f"{cell.method.name} has steps in its noise level, so there is no ODE to solve; leave it out"
            )
