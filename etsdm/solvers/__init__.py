"""Solvers: plain functions from noise to images, one file a family with its settings and limits.

Each file has a class of settings, derived from `Solver`, and `solve(predict, schedule, x, settings, noise)`. It makes
the time grid that the settings ask for and returns the images. `predict(x, t)` is called exactly `settings.budget`
times; `noise()` gives a fresh standard normal tensor like x. Nothing here imports torch: a plan reads the settings.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from etsdm.config.registry import OneOf, Registry
from etsdm.config.strict import distinct
from etsdm.solvers.solver import Solver

SOLVERS = Registry("etsdm.solvers", "solver", Solver)
OneSolver = Annotated[Solver, OneOf(SOLVERS)]
Solvers = Annotated[list[OneSolver], Field(min_length=1), AfterValidator(distinct)]

__all__ = ["SOLVERS", "OneSolver", "Solver", "Solvers"]
