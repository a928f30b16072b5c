"""schedules: noise schedules, in discrete and in continuous time."""

from typing import ClassVar

from etsdm.experiments.experiment import Sampled


class SchedulesCompared(Sampled):
    """Noise schedules, in discrete and in continuous time."""

    name: ClassVar[str] = "schedules"
    order: ClassVar[int] = 40
