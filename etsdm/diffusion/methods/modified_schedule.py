"""modified-schedule: noise levels that start flat, d alpha/dt = 0 at t = 0 (an alternative in Yang et al. 2024)."""

from dataclasses import replace
from typing import Any

from etsdm.diffusion.process import Process


def apply(process: Process, settings: dict[str, Any]) -> Process:
    """The process with beta multiplied by a smooth ramp from 0 at t = 0 to 1 at `t_tilde`; for cosine, s = 0.

    All times are trained. Sampling ends at the baseline's last noise level (`Schedule.t_stop`), not at a lower one.
    """
    return replace(process, schedule=process.schedule.flattened(settings["t_tilde"]))
