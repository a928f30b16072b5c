"""Noise schedules in float64, in discrete and in continuous time.

Time `t` is what the network is told: a number of steps. In discrete time it is one of 0 to T - 1; in continuous time it
is T tau for tau in (0, 1], so that E-TSDM's t_tilde means the same in both. The forward process is
`x_t = alpha_t x_0 + sigma_t eps`, with `alpha_t^2 + sigma_t^2 = 1` but on a straight path (`levels`). In discrete time
alpha_t is the square root of what Ho et al. (2020) call alpha-bar at their step t + 1, and clean data lies one step
before t = 0.
"""

from abc import ABC, abstractmethod

import numpy as np

from etsdm.diffusion.schedules.levels import Array, Levels, VariancePreserving


class Schedule(ABC):
    """Noise levels at real times t from `t_min` to `t_end`; sampling goes from `t_max` to `t_stop`.

    Attributes:
        name: name of its family.
        timesteps: T.
        resolution: side of the images in pixels; only cosine-shift depends on it.
        whole: whether training knows the integers only, as in discrete time.
        levels: how sigma depends on alpha.
        shared_edges: edges of the sub-intervals that have one noise level each; none but in shared-noise.
    """

    name: str
    timesteps: int
    resolution: int
    whole: bool = False
    levels: Levels = VariancePreserving
    shared_edges: tuple[float, ...] = ()

    @property
    @abstractmethod
    def t_min(self) -> float:
        """The first time that is trained."""

    @property
    def t_stop(self) -> float:
        """Where sampling ends, before a final denoising: t_min, but for a `flattened` schedule."""
        return self.t_min

    @property
    @abstractmethod
    def t_max(self) -> float:
        """Where sampling starts: before alpha is 0, for there x_t has no trace of x_0."""

    @property
    @abstractmethod
    def t_end(self) -> float:
        """The last time of the process, where alpha may be 0."""

    @abstractmethod
    def draw(self, uniform: Array, last: float) -> Array:
        """Times from `t_min` to `last`, equally likely, from numbers uniform in [0, 1)."""

    @abstractmethod
    def log_alpha(self, t: float | Array) -> Array:
        """Log alpha_t; minus infinity where alpha is 0."""

    @abstractmethod
    def t_of_lambda(self, lambda_: float | Array) -> Array:
        """The t up to t_max at which lambda_t equals `lambda_`; the inverse of `lambda_`."""

    def alpha(self, t: float | Array) -> Array:
        """Signal level alpha_t."""
        return np.exp(self.log_alpha(t))

    def sigma(self, t: float | Array) -> Array:
        """Noise level sigma_t."""
        return self.levels.sigma(self.log_alpha(t))

    def lambda_(self, t: float | Array) -> Array:
        """Half log-SNR, lambda_t = log(alpha_t / sigma_t)."""
        return half_log_snr(self.log_alpha(t), self.levels)

    @abstractmethod
    def flattened(self, until: float) -> "Schedule":
        """This schedule with d alpha/dt = 0 at t = 0, which ends sampling at the noise level at which this one does.

        Beta is multiplied by `ramp(t / until)`, t being that of the step's end in discrete time, so it is the same from
        t = `until` on; the cosine schedules have their offset set to 0 instead.
        """


def half_log_snr(log_alpha: Array, levels: Levels) -> Array:
    """Lambda where log alpha is `log_alpha`."""
    with np.errstate(divide="ignore"):
        return np.asarray(log_alpha - np.log(levels.sigma(log_alpha)))
