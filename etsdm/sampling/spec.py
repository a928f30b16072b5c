"""The specifications of sample sets and of restored images."""

from typing import Annotated

from pydantic import AfterValidator

from etsdm.config.precision import Precision
from etsdm.config.spec import Seed, Spec
from etsdm.config.strict import Count
from etsdm.models.spec import Images
from etsdm.solvers import OneSolver, Solver


def _with_one_budget(solver: Solver) -> Solver:
    """The solver of a run, which has one budget."""
    if len(solver.nfe) > 1:
        raise ValueError(f"nfe: one number is needed, not {solver.nfe}")
    return solver


OneRun = Annotated[OneSolver, AfterValidator(_with_one_budget)]


class SampleSpec(Spec):
    """A sample set."""

    solver: OneRun
    samples: Count
    precision: Precision = "tf32"
    seed: Seed


class RestorationSpec(Spec):
    """Restored images."""

    solver: OneRun
    test: Images
    seed: Seed
