"""etsdm: E-TSDM (Yang et al. 2024). The condition is shared inside sub-intervals near zero; nothing else changes."""

from dataclasses import replace
from typing import Any

from etsdm.diffusion.process import Process
from etsdm.diffusion.sharing import partition, shared


def apply(process: Process, settings: dict[str, Any]) -> Process:
    """The process with f(t) shared inside the `n` sub-intervals of [0, `t_tilde`) that `partition` makes."""
    edges = partition(settings["partition"], settings["t_tilde"], settings["n"], process.schedule)
    return replace(process, condition=shared(edges))
