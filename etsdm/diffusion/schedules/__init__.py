"""Noise schedules, one file each: its formula in discrete and in continuous time, derived from `Family`."""

from etsdm.config.registry import Registry
from etsdm.diffusion.schedules.continuous import ContinuousSchedule
from etsdm.diffusion.schedules.discrete import DiscreteSchedule
from etsdm.diffusion.schedules.family import Family
from etsdm.diffusion.schedules.levels import Array
from etsdm.diffusion.schedules.schedule import Schedule

SCHEDULES = Registry("etsdm.diffusion.schedules", "schedule", Family)

__all__ = ["SCHEDULES", "Array", "ContinuousSchedule", "DiscreteSchedule", "Family", "Schedule", "make_schedule"]


def make_schedule(
    name: str, timesteps: int, resolution: int, time: str = "discrete", tau_min: float = 1e-3
) -> DiscreteSchedule | ContinuousSchedule:
    """The named schedule.

    Args:
        name: of a schedule.
        timesteps: T.
        resolution: side of the images in pixels; only cosine-shift depends on it.
        time: `discrete` or `continuous`.
        tau_min: end of sampling and least time of training in continuous time.

    Raises:
        UserError: there is no schedule of this name.
    """
    family = SCHEDULES[name]
    if time == "continuous":
        return ContinuousSchedule(family, timesteps, resolution, tau_min=tau_min)
    return DiscreteSchedule(family, timesteps, resolution)
