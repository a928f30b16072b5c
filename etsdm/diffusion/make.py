"""From settings to the diffusion process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from etsdm.config.registry import Registry
from etsdm.diffusion.loss_weights import LOSS_WEIGHTS
from etsdm.diffusion.methods import METHODS, Method
from etsdm.diffusion.predictions import PREDICTIONS
from etsdm.diffusion.process import Process
from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.settings import Diffusion
from etsdm.diffusion.training_times import TRAINING_TIMES

if TYPE_CHECKING:
    from etsdm.diffusion.process import Quantile, Weight

OF_THE_LOSS: dict[str, Registry[Any]] = {"training_times": TRAINING_TIMES, "loss_weight": LOSS_WEIGHTS}
"""What changes the loss alone, by its key in `Diffusion`."""
ALL: list[Registry[Any]] = [METHODS, SCHEDULES, *OF_THE_LOSS.values()]


def make_process(diffusion: Diffusion, method: Method, resolution: int) -> Process:
    """The process of a forward process and a method.

    Args:
        diffusion: schedule, time and prediction.
        method: settings of the method.
        resolution: side of the images in pixels.
    """
    schedule = make_schedule(diffusion.schedule, diffusion.timesteps, resolution, diffusion.time, diffusion.tau_min)
    unchanged = Process(
        schedule, PREDICTIONS[diffusion.prediction], weight=_weight(diffusion), quantile=_quantile(diffusion)
    )
    process: Process = METHODS.load(method.name).apply(unchanged, method)
    return process


def _weight(diffusion: Diffusion) -> Weight | None:
    settings = diffusion.loss_weight
    return None if settings is None else partial(LOSS_WEIGHTS.load(settings.name).weigh, settings=settings)


def _quantile(diffusion: Diffusion) -> Quantile | None:
    settings = diffusion.training_times
    return None if settings is None else partial(TRAINING_TIMES.load(settings.name).quantile, settings=settings)


def modules_behind(spec: dict[str, Any]) -> list[str]:
    """The modules that make the process of a model's specification, which are loaded by name."""
    diffusion = spec["diffusion"]
    always = [METHODS.module(spec["method"]["name"]), SCHEDULES.module(diffusion["schedule"])]
    loss = [registry.module(diffusion[key]["name"]) for key, registry in OF_THE_LOSS.items() if diffusion.get(key)]
    return [*always, *loss]


def all_modules() -> list[str]:
    """The modules that make the process of any model."""
    return sorted({registry.module(name) for registry in ALL for name in registry.names()})
