"""What experiments that measure K have in common."""

from etsdm.diffusion.schedules import Schedule
from etsdm.experiments.experiment import Cell, Experiment, check_within
from etsdm.experiments.measures import Probed
from etsdm.probes.lipschitz import Pairs


class OfPairs(Experiment, Pairs):
    """An experiment that measures K(t', t) of its networks."""

    def k(self) -> Probed:
        """The measurement of K."""
        return Probed("lipschitz", self.model_dump(include=set(Pairs.model_fields)))

    def check_cell(self, cell: Cell, schedule: Schedule) -> None:
        if self.fine_step <= schedule.t_min:
            raise ValueError(
                f"fine_step: the pair (0, {self.fine_step}) lies below the least time that is trained, tau_min T = "
                f"{schedule.t_min:g}; allowed: fine_step above {schedule.t_min:g}, or a lower diffusion.tau_min"
            )
        check_within(schedule, schedule.t_min, fine_until=self.fine_until, coarse_until=self.coarse_until)
