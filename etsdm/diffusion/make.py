"""From settings to the diffusion process."""

from typing import Any

from etsdm.diffusion.methods import METHODS, Method
from etsdm.diffusion.predictions import PREDICTIONS
from etsdm.diffusion.process import Process
from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.settings import Diffusion


def make_process(diffusion: Diffusion, method: Method, resolution: int) -> Process:
    """The process of a forward process and a method.

    Args:
        diffusion: schedule, time and prediction.
        method: settings of the method.
        resolution: side of the images in pixels.
    """
    schedule = make_schedule(diffusion.schedule, diffusion.timesteps, resolution, diffusion.time, diffusion.tau_min)
    unchanged = Process(schedule, PREDICTIONS[diffusion.prediction])
    process: Process = METHODS.load(method.name).apply(unchanged, method)
    return process


def modules_behind(spec: dict[str, Any]) -> list[str]:
    """The modules that make the process of a model's specification, which are loaded by name."""
    return [METHODS.module(spec["method"]["name"]), SCHEDULES.module(spec["diffusion"]["schedule"])]


def all_modules() -> list[str]:
    """The modules that make the process of any model."""
    return sorted({registry.module(name) for registry in (METHODS, SCHEDULES) for name in registry.names()})
