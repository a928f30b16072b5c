"""Schedules in discrete time."""

from dataclasses import dataclass, field

import numpy as np

from etsdm.diffusion.schedules.family import NamedSchedule
from etsdm.diffusion.schedules.levels import Array
from etsdm.diffusion.schedules.schedule import half_log_snr


@dataclass(frozen=True)
class DiscreteSchedule(NamedSchedule):
    """A schedule known at the integers and defined between them by linear interpolation of log alpha.

    That interpolation is the one DPM-Solver uses for discrete-time networks (Lu et al. 2022, appendix D).
    """

    whole = True
    log_alphas: Array = field(init=False, repr=False, compare=False)
    finite: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        log_alphas = self.family.log_alphas(self.timesteps, self.resolution, self.flat_until)
        object.__setattr__(self, "log_alphas", log_alphas)
        object.__setattr__(self, "finite", log_alphas[np.isfinite(log_alphas)])

    @property
    def t_min(self) -> float:
        return 0.0

    @property
    def t_max(self) -> float:
        return float(len(self.finite) - 1)

    @property
    def t_end(self) -> float:
        return float(self.timesteps - 1)

    @property
    def alphas(self) -> Array:
        """Alpha at the integers, (T,)."""
        return np.exp(self.log_alphas)

    @property
    def sigmas(self) -> Array:
        """Sigma at the integers, (T,)."""
        return self.levels.sigma(self.log_alphas)

    @property
    def lambdas(self) -> Array:
        """Lambda at the integers with alpha > 0."""
        return half_log_snr(self.finite, self.levels)

    def draw(self, uniform: Array, last: float) -> Array:
        return np.floor(uniform * (last + 1))

    def log_alpha(self, t: float | Array) -> Array:
        inside = np.interp(t, np.arange(len(self.finite), dtype=np.float64), self.finite)
        return np.where(np.asarray(t) > self.t_max, self.log_alphas[-1], inside)

    def t_of_lambda(self, lambda_: float | Array) -> Array:
        steps = np.arange(len(self.finite), dtype=np.float64)
        return np.asarray(np.interp(self.levels.log_alpha(lambda_), self.finite[::-1], steps[::-1]))
