"""What is measured of trained networks, and the settings of each measurement."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from etsdm.config.strict import MOST_STEPS, Count, Positive, Strict, distinct
from etsdm.solvers import Solvers


@dataclass(frozen=True)
class Distances:
    """A sample set by each solver at each budget, scored by the distances of `evaluation`."""

    solvers: Solvers


@dataclass(frozen=True)
class Restorations:
    """Restored images by each solver at each budget, compared with the true ones.

    Attributes:
        test: name of the data set that is restored.
        solvers: the solvers.
    """

    test: str
    solvers: Solvers


@dataclass(frozen=True)
class Probed:
    """What a probe finds.

    Attributes:
        probe: its name.
        settings: its settings.
    """

    probe: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Exact:
    """What is known exactly, of no trained network.

    Attributes:
        settings: those of `etsdm.probes.theory`, but for T.
    """

    settings: dict[str, Any]


Measure = Distances | Restorations | Probed | Exact


class Pairs(Strict):
    """Of which times, and over how many images, K(t', t) is measured."""

    images: Count
    """Images x_0 over which K is averaged."""
    fine_step: int = Field(10, ge=1, le=MOST_STEPS)
    """Pairs (t - fine_step, t) up to `fine_until`..."""
    fine_until: int = Field(100, ge=1, le=MOST_STEPS)
    """...and (t - coarse_step, t) above."""
    coarse_step: int = Field(100, ge=1, le=MOST_STEPS)
    """Step of the coarse pairs."""
    coarse_until: int = Field(400, ge=1, le=MOST_STEPS)
    """Last t of the coarse pairs."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        if self.fine_until % self.fine_step or self.fine_until < 2 * self.fine_step:
            raise ValueError(f"fine_until = {self.fine_until} must be two or more times fine_step = {self.fine_step}")
        if self.coarse_until % self.coarse_step:
            raise ValueError(f"coarse_until = {self.coarse_until} is no multiple of coarse_step = {self.coarse_step}")
        return self


class Perturbations(Strict):
    """How x_t is perturbed, and over how many images."""

    images: Count
    """Images x_0 over which the change is averaged."""
    t: int = Field(100, ge=1, le=MOST_STEPS)
    """Time of the perturbed x_t, in steps."""
    stds: Annotated[list[Positive], AfterValidator(distinct)] = Field([0.01, 0.03, 0.1, 0.2, 0.3], min_length=1)
    """Standard deviations of the added noise."""
    nfe: int = Field(20, ge=1, le=MOST_STEPS)
    """Evaluations of DDIM with which x_0 is solved for."""


class Solutions(Strict):
    """Which solvers are compared with a tight solution, over how many images."""

    images: Count
    """Images over which the distance is averaged."""
    solvers: Solvers
    """Deterministic solvers, each with its budgets; none of them denoises at the end here."""
    reference_nfe: int = Field(600, ge=60, le=MOST_STEPS)
    """Evaluations of the reference, by DPM-Solver++ 3M on steps even in both log-SNR and t."""

    @model_validator(mode="after")
    def _deterministic(self) -> Self:
        for solver in self.solvers:
            if solver.draws_noise:
                raise ValueError(f"{solver.name} draws noise at each step and so solves no ODE; use another solver")
            if solver.lambda_start is not None:
                raise ValueError("lambda_start: the reference starts at t_max, so each solver must; leave it out")
        return self
