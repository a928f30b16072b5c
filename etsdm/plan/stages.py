"""The stage that makes each kind of run, and the code behind it."""

from collections.abc import Callable
from importlib.metadata import version

from etsdm import probes, solvers
from etsdm.data import sources
from etsdm.diffusion import methods
from etsdm.plan.plan import Plan, Run


def _method(model: Run) -> str:
    return methods.module(model.spec["method"]["name"])


def _drawing(run: Run) -> list[str]:
    """Solver and method behind a run that draws images from a model."""
    return [solvers.module(run.spec["solver"]["name"]), _method(run.needs["model"])]


def _probing(run: Run) -> list[str]:
    """The method of the model, the probe itself, and the solvers that it tries."""
    tried = sorted({solver["name"] for solver in run.spec.get("solvers", [])})
    return [_method(run.needs["model"]), probes.module(run.spec["probe"]), *map(solvers.module, tried)]


LOADED: dict[str, Callable[[Run], list[str]]] = {
    "prepare": lambda run: [sources.module(run.spec)],
    "train": lambda run: [_method(run)],
    "sample": _drawing,
    "restore": _drawing,
    "probe": _probing,
    "features": lambda encoder: [f"etsdm.metrics.{encoder.spec['name']}"],
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
