"""The stage that makes each kind of run, and the code behind it."""

from collections.abc import Callable
from importlib.metadata import version

from etsdm.data import sources
from etsdm.diffusion.make import modules_behind
from etsdm.diffusion.schedules import SCHEDULES
from etsdm.metrics.encoders import ENCODERS
from etsdm.plan.plan import Plan
from etsdm.plan.runs import Run
from etsdm.probes import PROBES
from etsdm.solvers import SOLVERS


def _drawing(run: Run) -> list[str]:
    """Solver and model behind a run that draws images."""
    return [SOLVERS.module(run.spec["solver"]["name"]), *modules_behind(run.needs["model"].spec)]


def _probing(run: Run) -> list[str]:
    """The probe, the solvers that it tries, and the model."""
    tried = sorted({SOLVERS.module(solver["name"]) for solver in run.spec.get("solvers", [])})
    return [PROBES.module(run.spec["probe"]), *tried, *modules_behind(run.needs["model"].spec)]


LOADED: dict[str, Callable[[Run], list[str]]] = {
    "prepare": lambda run: [sources.module(run.spec)],
    "train": lambda run: modules_behind(run.spec),
    "sample": _drawing,
    "restore": _drawing,
    "probe": _probing,
    "theory": lambda run: [SCHEDULES.module(name) for name in run.spec["schedules"]],
    "encoder": lambda run: [ENCODERS.module(run.spec["name"])],
    "features": lambda encoder: [ENCODERS.module(encoder.spec["name"])],
}
"""The modules that a stage loads by name for a run; for features, for their encoder. Other stages load none."""


COMPUTING = frozenset({"encoder", "train", "sample", "restore", "features", "probe"})
"""Stages whose numbers PyTorch computes."""


def torch_of(plan: Plan, stage: str) -> dict[str, str]:
    """The version of PyTorch, where a stage's result depends on it because the configuration says so."""
    return {"torch": version("torch")} if plan.config.same_torch and stage in COMPUTING else {}


def loaded(stage: str, run: Run) -> list[str]:
    """The modules that a stage loads by name, and so imports nowhere.

    Args:
        stage: a key of `fingerprint.STAGES`.
        run: what it makes; for features, their encoder.
    """
    return LOADED[stage](run) if stage in LOADED else []
