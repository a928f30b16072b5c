"""unconditional: the network is told nothing of time, f(t) = 0 for all t. The noise level must be seen in the image.

Sun, Jiang, Zhao & He (2025, arXiv 2502.13129) find that most networks get only a little worse without it.
Sahraee-Ardakan, Delbracio & Milanfar (2026, arXiv 2602.18428) derive that predicted noise then amplifies errors near
t = 0, and that predicted v does not.
"""

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from etsdm.diffusion.methods.method import Method
from etsdm.diffusion.process import Process
from etsdm.diffusion.schedules import Array


class Unconditional(Method):
    """The condition is withheld at all times: E-TSDM with t_tilde = T and n = 1."""

    order: ClassVar[int] = 25

    name: Literal["unconditional"]


def withheld(t: Array) -> Array:
    """The condition f(t) = 0."""
    return np.zeros_like(t)


def apply(process: Process, settings: Unconditional) -> Process:
    """The process with f(t) = 0 for all t."""
    return replace(process, condition=withheld)
