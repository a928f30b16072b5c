"""Settings of solvers and methods out of plain values, as tests write them."""

from typing import Any

from etsdm.diffusion.make import make_process
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.process import Process
from etsdm.diffusion.settings import Diffusion
from etsdm.solvers import SOLVERS, Solver


def solver(name: str, nfe: int, **values: Any) -> Solver:
    """A solver's settings, not checked. What it has no setting for is left out, so that tests can vary the name."""
    thing = SOLVERS[name]
    known = {key: value for key, value in values.items() if key in thing.model_fields}
    return thing.model_construct(name=name, nfe=[nfe], **known)


def solve(spec: dict[str, Any], predict: Any, schedule: Any, x: Any, noise: Any) -> Any:
    """Images by the solver that `spec` names, from `x`."""
    settings = solver(**spec)
    return SOLVERS.load(settings.name).solve(predict, schedule, x, settings, noise)


def process_with(diffusion: dict[str, Any], method: dict[str, Any], resolution: int = 8) -> Process:
    """The process of plain settings."""
    return make_process(Diffusion.model_validate(diffusion), METHODS.read(method), resolution)
