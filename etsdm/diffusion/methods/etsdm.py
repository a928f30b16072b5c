"""etsdm: E-TSDM (Yang et al. 2024). The condition is shared inside sub-intervals near zero; nothing else changes."""

from dataclasses import replace
from typing import ClassVar, Literal

from etsdm.diffusion.methods._sharing import Sharing
from etsdm.diffusion.process import Process
from etsdm.diffusion.sharing import partition, shared


class Etsdm(Sharing):
    """E-TSDM: the condition is shared inside n sub-intervals of [0, t_tilde)."""

    order: ClassVar[int] = 20

    name: Literal["etsdm"]


def apply(process: Process, settings: Etsdm) -> Process:
    """The process with f(t) shared inside the `n` sub-intervals of [0, `t_tilde`) that `partition` makes."""
    edges = partition(settings.partition, settings.t_tilde, settings.n, process.schedule)
    return replace(process, condition=shared(edges))
