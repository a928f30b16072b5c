"""theory: the time derivative and the error bound, where the best noise prediction is exact."""

from typing import ClassVar

from etsdm.experiments.experiment import Common, Experiment
from etsdm.experiments.measures import Exact, Measure
from etsdm.probes.theory import Singularity


class Theory(Experiment, Singularity):
    """On a mixture of Gaussians, where the best noise prediction is exact: its time derivative, and the error bound."""

    name: ClassVar[str] = "theory"
    order: ClassVar[int] = 130

    def alone(self) -> list[Measure]:
        return [Exact(self.model_dump(include=set(Singularity.model_fields)))]

    def check(self, common: Common) -> None:
        if self.t_tilde >= common.diffusion.timesteps:
            raise ValueError(f"t_tilde = {self.t_tilde} must be less than T = {common.diffusion.timesteps}")
