"""remap: the network is told another function of t, with t drawn as ever (an alternative in Yang et al. 2024)."""

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from etsdm.diffusion.conditions import Condition
from etsdm.diffusion.methods.method import Method
from etsdm.diffusion.process import Process
from etsdm.diffusion.schedules import Array, Schedule


class Remap(Method):
    """The baseline conditioned on another function of t."""

    order: ClassVar[int] = 50

    name: Literal["remap"]
    map: Literal["sigma", "log-snr", "sqrt"] = "sigma"
    """sigma_t, the log-SNR, or the square root of t, each scaled to the range of t."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"remap-{self.map}"


def sigma(schedule: Schedule) -> Condition:
    """g(t) = T sigma_t: of the size of t, and as steep near zero as sigma is."""
    return lambda t: schedule.timesteps * schedule.sigma(t)


def log_snr(schedule: Schedule) -> Condition:
    """g(t) linear in lambda_t, from 0 at t_min to T at t_max."""
    cleanest, noisiest = schedule.lambda_(schedule.t_min), schedule.lambda_(schedule.t_max)

    def condition(t: Array) -> Array:
        lambda_ = np.clip(schedule.lambda_(t), noisiest, cleanest)
        return schedule.timesteps * (cleanest - lambda_) / (cleanest - noisiest)

    return condition


def sqrt(schedule: Schedule) -> Condition:
    """g(t) = sqrt(T t)."""
    return lambda t: np.sqrt(schedule.timesteps * t)


MAPS = {"sigma": sigma, "log-snr": log_snr, "sqrt": sqrt}


def apply(process: Process, settings: Remap) -> Process:
    """The process with the network conditioned on `map` of t, scaled to the range of t."""
    return replace(process, condition=MAPS[settings.map](process.schedule))
