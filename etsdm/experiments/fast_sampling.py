"""fast-sampling: few-step solvers."""

from typing import ClassVar

from etsdm.experiments.experiment import Sampled


class FastSampling(Sampled):
    """Few-step solvers."""

    name: ClassVar[str] = "fast-sampling"
    order: ClassVar[int] = 30
