"""replica: ddpm again, trained and sampled with other seeds than ddpm. Whatever differs is chance (an A/A test)."""

from typing import Any

from etsdm.diffusion.process import Process


def apply(process: Process, settings: dict[str, Any]) -> Process:
    """The process as it is: the plan gives the replica its seeds, by `etsdm.diffusion.replicas`."""
    return process
