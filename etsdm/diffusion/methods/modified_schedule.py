"""modified-schedule: noise levels that start flat, d alpha/dt = 0 at t = 0 (an alternative in Yang et al. 2024)."""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from etsdm.config.strict import MOST_STEPS
from etsdm.diffusion.methods.method import NearZero
from etsdm.diffusion.process import Process


class ModifiedSchedule(NearZero):
    """The baseline on a schedule that starts flat: d alpha/dt = 0 at t = 0."""

    order: ClassVar[int] = 40

    name: Literal["modified-schedule"]
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """Beta rises smoothly from 0 to its own value at this time, in steps (cosine: s = 0 instead)."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"modified-schedule-{self.t_tilde}"


def apply(process: Process, settings: ModifiedSchedule) -> Process:
    """The process with beta multiplied by a smooth ramp from 0 at t = 0 to 1 at `t_tilde`; for cosine, s = 0.

    All times are trained. Sampling ends at the baseline's last noise level (`Schedule.t_stop`), not at a lower one.
    """
    return replace(process, schedule=process.schedule.flattened(settings.t_tilde))
