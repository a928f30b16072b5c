"""ddpm: the baseline (Ho et al. 2020). The network is told t itself."""

from typing import ClassVar, Literal

from etsdm.diffusion.methods.method import Method
from etsdm.diffusion.process import Process


class Ddpm(Method):
    """The baseline: the network is conditioned on t itself."""

    order: ClassVar[int] = 10

    name: Literal["ddpm"]


def apply(process: Process, settings: Ddpm) -> Process:
    """The process as it is."""
    return process
