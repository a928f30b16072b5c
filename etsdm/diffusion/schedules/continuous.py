"""Schedules in continuous time."""

from dataclasses import dataclass

import numpy as np

from etsdm.diffusion.schedules.family import NamedSchedule
from etsdm.diffusion.schedules.levels import Array

BISECTIONS = 80


@dataclass(frozen=True)
class ContinuousSchedule(NamedSchedule):
    """A schedule in closed form at every t = T tau, tau in (0, 1].

    Args:
        tau_min: the least tau that is trained; sampling ends there, too, unless it is `flattened`. At 0 sigma is 0.
    """

    tau_min: float = 1e-3

    @property
    def t_min(self) -> float:
        return self.tau_min * self.timesteps

    @property
    def t_max(self) -> float:
        return float(self.timesteps - 1) if self.family.ends_in_noise else self.t_end

    @property
    def t_end(self) -> float:
        return self.timesteps * self.family.end(self.resolution, self.flat_until / self.timesteps)

    def draw(self, uniform: Array, last: float) -> Array:
        return self.t_min + uniform * (last - self.t_min)

    def log_alpha(self, t: float | Array) -> Array:
        tau = np.asarray(t, dtype=np.float64) / self.timesteps
        return self.family.log_alpha(tau, self.resolution, self.flat_until / self.timesteps)

    def t_of_lambda(self, lambda_: float | Array) -> Array:
        target = np.asarray(lambda_, dtype=np.float64)
        low, high = np.zeros_like(target), np.full_like(target, self.t_max)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            noisier = self.lambda_(middle) < target
            low, high = np.where(noisier, low, middle), np.where(noisier, middle, high)
        return (low + high) / 2
