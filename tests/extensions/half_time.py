"""half-time: the network is told half of t below t_tilde."""

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from etsdm.diffusion.methods.method import NearZero
from etsdm.diffusion.process import Process
from etsdm.diffusion.schedules import Array


class HalfTime(NearZero):
    """The condition is t / 2 below t_tilde."""

    order: ClassVar[int] = 90

    name: Literal["half-time"]


def apply(process: Process, settings: HalfTime) -> Process:
    """The process with f(t) = t / 2 below t_tilde."""

    def condition(t: Array) -> Array:
        return np.where(t < settings.t_tilde, t / 2, t)

    return replace(process, condition=condition)
