"""ddpm: the baseline (Ho et al. 2020). The network is told t itself."""

from typing import Any

from etsdm.diffusion.process import Process


def apply(process: Process, settings: dict[str, Any]) -> Process:
    """The process as it is."""
    return process
