"""ablation: E-TSDM for every t_tilde and n, and ddpm, sampled by each solver."""

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import model_validator

from etsdm.config.strict import Steps
from etsdm.diffusion.methods import Method
from etsdm.diffusion.methods.ddpm import Ddpm
from etsdm.diffusion.methods.etsdm import Etsdm
from etsdm.experiments.experiment import Trained
from etsdm.experiments.measures import Distances, Measure
from etsdm.solvers import Solver, Solvers


class Ablation(Trained):
    """E-TSDM for every t_tilde and n, and ddpm, sampled by each solver."""

    name: ClassVar[str] = "ablation"
    order: ClassVar[int] = 70

    t_tilde: Steps
    """Ends of the shared interval, in steps."""
    n: Steps
    """Numbers of sub-intervals; each must divide each t_tilde."""
    solvers: Solvers
    """Solvers, each with its budgets."""

    @model_validator(mode="after")
    def _divided(self) -> Self:
        for t_tilde in self.t_tilde:
            for n in self.n:
                if t_tilde % n:
                    raise ValueError(f"n = {n} does not divide t_tilde = {t_tilde}")
        return self

    def compared(self) -> Sequence[Method]:
        """The baseline and each cell of the grid."""
        grid = [Etsdm(name="etsdm", t_tilde=t_tilde, n=n) for t_tilde in self.t_tilde for n in self.n]
        return [Ddpm(name="ddpm"), *grid]

    def measures(self) -> list[Measure]:
        return [Distances(self.solvers)]

    def used_solvers(self) -> Sequence[Solver]:
        return self.solvers
