"""shared-noise: the noise level is shared along with the condition (asked for by the paper's reviewers).

Below t_tilde only n noise levels are left, those of the left ends of the sub-intervals, in training and in sampling.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from etsdm.diffusion.methods._sharing import Sharing
from etsdm.diffusion.process import Process
from etsdm.diffusion.schedules import Array, Schedule
from etsdm.diffusion.sharing import partition, shared


class SharedNoise(Sharing):
    """Condition and noise level are both shared inside n sub-intervals, in training and in sampling."""

    order: ClassVar[int] = 60

    name: Literal["shared-noise"]


@dataclass(frozen=True)
class SharedLevels(Schedule):
    """The schedule `base` with one noise level a sub-interval, that of its left end but never below t_min.

    Its levels are steps in t, so lambda has no inverse there: `t_of_lambda` is that of `base`, and a time grid keeps to
    the left ends (`etsdm.solvers.grids`). In discrete time it cannot have more times than there are trained levels.
    """

    base: Schedule
    shared_edges: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("name", "timesteps", "resolution", "whole", "levels"):
            object.__setattr__(self, name, getattr(self.base, name))

    @property
    def t_min(self) -> float:
        return self.base.t_min

    @property
    def t_stop(self) -> float:
        return self.base.t_stop

    @property
    def t_max(self) -> float:
        return self.base.t_max

    @property
    def t_end(self) -> float:
        return self.base.t_end

    def draw(self, uniform: Array, last: float) -> Array:
        return self.base.draw(uniform, last)

    def log_alpha(self, t: float | Array) -> Array:
        level = shared(self.shared_edges)(np.asarray(t, dtype=np.float64))
        return self.base.log_alpha(np.maximum(level, self.t_min))

    def t_of_lambda(self, lambda_: float | Array) -> Array:
        return self.base.t_of_lambda(lambda_)

    def flattened(self, until: float) -> "SharedLevels":
        return replace(self, base=self.base.flattened(until))


def apply(process: Process, settings: SharedNoise) -> Process:
    """The process with condition and noise level shared inside `n` sub-intervals of [0, `t_tilde`)."""
    edges = partition(settings.partition, settings.t_tilde, settings.n, process.schedule)
    schedule = SharedLevels(process.schedule, tuple(edges))
    return replace(process, schedule=schedule, condition=shared(edges))
