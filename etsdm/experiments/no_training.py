"""no-training: whether another way to sample the same ddpm does what E-TSDM's training does."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from etsdm.config.strict import distinct
from etsdm.experiments.experiment import Sampled
from etsdm.experiments.measures import Distances, Measure
from etsdm.solvers import SOLVERS, Solver

Options = Annotated[list[dict[str, Any]], Field(min_length=1), AfterValidator(distinct)]


class NoTraining(Sampled):
    """Each solver as it is, and with each of the options that need no training."""

    name: ClassVar[str] = "no-training"
    order: ClassVar[int] = 35

    options: Options = Field(
        [
            *({"t_end": t} for t in (20, 50, 100)),
            *({"eps_scale": scale} for scale in (1.005, 1.02)),
            {"time_shift": {"window": 40, "cutoff": 300}},
        ]
    )
    """Settings that are added to each solver, one after another."""

    @model_validator(mode="after")
    def _allowed(self) -> Self:
        self.used_solvers()
        return self

    def measures(self) -> list[Measure]:
        return [Distances(self.used_solvers())]

    def used_solvers(self) -> list[Solver]:
        return [*self.solvers, *(with_option(solver, option) for option in self.options for solver in self.solvers)]


def with_option(solver: Solver, option: dict[str, Any]) -> Solver:
    """The solver with some settings changed. Raises ValidationError where it does not allow them."""
    return SOLVERS.read(solver.model_dump(exclude_none=True) | option)
