"""Noise schedules in float64, in discrete and in continuous time.

Time `t` is what the network is told: a number of steps. In discrete time it is one of 0 to T - 1; in continuous time it
is T tau for tau in (0, 1], so that E-TSDM's t_tilde means the same in both. The forward process is
`x_t = alpha_t x_0 + sigma_t eps` with `alpha_t^2 + sigma_t^2 = 1`. In discrete time alpha_t is the square root of what
Ho et al. (2020) call alpha-bar at their step t + 1, and clean data lies one step before t = 0.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]
BETA_START, BETA_END = 0.1, 20.0
"""T times the first and the last beta (Ho et al. 2020, section 4: 1e-4 and 0.02 in 1,000 steps)."""
COSINE_S = 0.008
"""The cosine schedule's offset (Nichol & Dhariwal 2021, section 3.2)."""
MAX_BETA = 0.999
"""The cosine schedule's cap on beta (Nichol & Dhariwal 2021, section 3.2)."""
COSINE_END = 0.9946
"""Last tau of the cosine schedule in continuous time, as beta has no bound at 1 (the value in Lu et al. 2022's code).

Cosine-shift ends at the same lambda."""
BISECTIONS = 80


def ramp(u: float | Array) -> Array:
    """A smooth step from 0 at u = 0 to 1 at u = 1, flat at both ends: 3 u^2 - 2 u^3."""
    u = np.clip(u, 0.0, 1.0)
    return np.asarray(u**2 * (3 - 2 * u))


def _sigma(log_alpha: Array) -> Array:
    return np.asarray(np.sqrt(-np.expm1(2 * log_alpha)))


def _half_log_snr(log_alpha: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(log_alpha - np.log(_sigma(log_alpha)))


def _log_alpha_of_lambda(lambda_: float | Array) -> Array:
    return np.asarray(-0.5 * np.logaddexp(0.0, -2 * np.asarray(lambda_, dtype=np.float64)))


def shifted(log_alpha: Array, resolution: int) -> Array:
    """Log alpha with its log-SNR shifted by 2 log(64 / resolution) (Hoogeboom et al. 2023, section 3.1).

    The log-SNR is 2 lambda, so lambda moves by log(64 / resolution).
    """
    return _log_alpha_of_lambda(_half_log_snr(log_alpha) + np.log(64 / resolution))


class Schedule(ABC):
    """Noise levels at real times t from `t_min` to `t_end`; sampling goes from `t_max` to `t_stop`.

    Attributes:
        name: one of `NAMES`.
        timesteps: T.
        resolution: side of the images in pixels; only cosine-shift depends on it.
        whole: whether training knows the integers only, as in discrete time.
        shared_edges: edges of the sub-intervals that have one noise level each; none but in shared-noise.
    """

    name: str
    timesteps: int
    resolution: int
    whole: bool = False
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
        return _sigma(self.log_alpha(t))

    def lambda_(self, t: float | Array) -> Array:
        """Half log-SNR, lambda_t = log(alpha_t / sigma_t)."""
        return _half_log_snr(self.log_alpha(t))

    @abstractmethod
    def flattened(self, until: float) -> "Schedule":
        """This schedule with d alpha/dt = 0 at t = 0, which ends sampling at the noise level at which this one does.

        Beta is multiplied by `ramp(t / until)`, t being that of the step's end in discrete time, so it is the same from
        t = `until` on; the cosine schedules have their offset set to 0 instead.
        """


@dataclass(frozen=True)
class NamedSchedule(Schedule):
    """A schedule given by its name.

    Args:
        name: one of `NAMES`.
        timesteps: T.
        resolution: side of the images in pixels.
        flat_until: end of the ramp of a `flattened` schedule; 0 for one that is not.
    """

    name: str
    timesteps: int
    resolution: int
    flat_until: float = 0.0

    @property
    def t_stop(self) -> float:
        if not self.flat_until:
            return self.t_min
        plain = replace(self, flat_until=0.0)
        return float(self.t_of_lambda(plain.lambda_(plain.t_stop)))

    def flattened(self, until: float) -> Self:
        return replace(self, flat_until=until)


# ---------------------------------------------------------------- discrete time


def _product(betas: Array, flat_until: float) -> Array:
    steps = np.arange(1, len(betas) + 1)
    return 0.5 * np.cumsum(np.log1p(-betas * (ramp(steps / flat_until) if flat_until else 1.0)))


def linear_log_alphas(timesteps: int, resolution: int = 0, flat_until: float = 0.0) -> Array:
    """Beta linear in t (Ho et al. 2020, section 4).

    The ends are those for 1,000 steps, scaled by 1000 / T for another T as guided-diffusion does.
    """
    return _product(np.linspace(BETA_START, BETA_END, timesteps) / timesteps, flat_until)


def quadratic_log_alphas(timesteps: int, resolution: int = 0, flat_until: float = 0.0) -> Array:
    """The square root of beta linear in t, between the same ends as `linear_log_alphas`."""
    return _product(np.linspace(BETA_START**0.5, BETA_END**0.5, timesteps) ** 2 / timesteps, flat_until)


def cosine_log_alphas(timesteps: int, resolution: int = 0, flat_until: float = 0.0) -> Array:
    """The cosine schedule (Nichol & Dhariwal 2021, equation 17), with beta <= 0.999."""
    s = 0.0 if flat_until else COSINE_S
    alpha_bar = np.cos((np.arange(timesteps + 1) / timesteps + s) / (1 + s) * np.pi / 2) ** 2
    betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], MAX_BETA)
    return 0.5 * np.cumsum(np.log1p(-betas))


def cosine_shift_log_alphas(timesteps: int, resolution: int, flat_until: float = 0.0) -> Array:
    """The cosine schedule, `shifted`."""
    return shifted(cosine_log_alphas(timesteps, resolution, flat_until), resolution)


def zero_terminal_snr_log_alphas(timesteps: int, resolution: int = 0, flat_until: float = 0.0) -> Array:
    """The linear schedule with alpha_t shifted and rescaled so that alpha is exactly 0 at the last step.

    Lin et al. (2024), algorithm 1: the first alpha is kept. The last log alpha is minus infinity.
    """
    alphas = np.exp(linear_log_alphas(timesteps, resolution, flat_until))
    rescaled = (alphas - alphas[-1]) * alphas[0] / (alphas[0] - alphas[-1])
    with np.errstate(divide="ignore"):
        return np.log(rescaled)


LOG_ALPHAS: dict[str, Callable[[int, int, float], Array]] = {
    "linear": linear_log_alphas,
    "quadratic": quadratic_log_alphas,
    "cosine": cosine_log_alphas,
    "cosine-shift": cosine_shift_log_alphas,
    "zero-terminal-snr": zero_terminal_snr_log_alphas,
}
"""Log alpha at the integers 0 to T - 1, from (T, resolution, flat_until); the last is 0 unless `flattened`."""
NAMES = tuple(LOG_ALPHAS)


@dataclass(frozen=True)
class DiscreteSchedule(NamedSchedule):
    """A schedule known at the integers and defined between them by linear interpolation of log alpha.

    That interpolation is the one DPM-Solver uses for discrete-time networks (Lu et al. 2022, appendix D).
    """

    whole = True
    log_alphas: Array = field(init=False, repr=False, compare=False)
    finite: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        log_alphas = LOG_ALPHAS[self.name](self.timesteps, self.resolution, self.flat_until)
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
        return _sigma(self.log_alphas)

    @property
    def lambdas(self) -> Array:
        """Lambda at the integers with alpha > 0."""
        return _half_log_snr(self.finite)

    def draw(self, uniform: Array, last: float) -> Array:
        return np.floor(uniform * (last + 1))

    def log_alpha(self, t: float | Array) -> Array:
        inside = np.interp(t, np.arange(len(self.finite), dtype=np.float64), self.finite)
        return np.where(np.asarray(t) > self.t_max, self.log_alphas[-1], inside)

    def t_of_lambda(self, lambda_: float | Array) -> Array:
        steps = np.arange(len(self.finite), dtype=np.float64)
        return np.asarray(np.interp(_log_alpha_of_lambda(lambda_), self.finite[::-1], steps[::-1]))


# ---------------------------------------------------------------- continuous time

TAU = Polynomial([0.0, 1.0])
BETAS = {
    "linear": BETA_START + (BETA_END - BETA_START) * TAU,
    "quadratic": (BETA_START**0.5 + (BETA_END**0.5 - BETA_START**0.5) * TAU) ** 2,
}
"""beta(tau) of the variance-preserving SDE (Song et al. 2021, equation 11)."""


def integrated_beta(name: str, tau: Array, flat_until: float) -> Array:
    """The integral of beta from 0 to tau, exact: a polynomial, or two where beta is flattened below `flat_until`."""
    whole = BETAS[name].integ()
    if not flat_until:
        return np.asarray(whole(tau))
    u = TAU / flat_until
    flat = (BETAS[name] * (3 * u**2 - 2 * u**3)).integ()
    return np.where(tau < flat_until, flat(tau), flat(flat_until) + whole(tau) - whole(flat_until))


def cosine_log_alpha(tau: Array, s: float) -> Array:
    """Log alpha of the cosine schedule (Nichol & Dhariwal 2021, equation 17)."""
    angle = np.pi / 2 / (1 + s)
    return np.asarray(np.log(np.cos((tau + s) * angle)) - np.log(np.cos(s * angle)))


def cosine_tau(log_alpha: Array, s: float) -> float:
    """The inverse of `cosine_log_alpha`."""
    angle = np.pi / 2 / (1 + s)
    return float(np.arccos(np.exp(log_alpha) * np.cos(s * angle)) / angle - s)


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
        if self.name == "zero-terminal-snr":
            return float(self.timesteps - 1)
        return self.t_end

    @property
    def t_end(self) -> float:
        if not self.name.startswith("cosine"):
            return float(self.timesteps)
        last = _half_log_snr(cosine_log_alpha(np.asarray(COSINE_END), self.cosine_offset))
        shift = np.log(64 / self.resolution) if self.name == "cosine-shift" else 0.0
        return self.timesteps * cosine_tau(_log_alpha_of_lambda(last - shift), self.cosine_offset)

    @property
    def cosine_offset(self) -> float:
        """s of the cosine schedules."""
        return 0.0 if self.flat_until else COSINE_S

    def draw(self, uniform: Array, last: float) -> Array:
        return self.t_min + uniform * (last - self.t_min)

    def log_alpha(self, t: float | Array) -> Array:
        tau = np.asarray(t, dtype=np.float64) / self.timesteps
        flat_until = self.flat_until / self.timesteps
        if self.name in BETAS:
            return -0.5 * integrated_beta(self.name, tau, flat_until)
        if self.name == "zero-terminal-snr":
            alpha, last = (np.exp(-0.5 * integrated_beta("linear", v, flat_until)) for v in (tau, np.ones(())))
            with np.errstate(divide="ignore"):
                return np.log((alpha - last) / (1 - last))
        log_alpha = cosine_log_alpha(tau, self.cosine_offset)
        return shifted(log_alpha, self.resolution) if self.name == "cosine-shift" else log_alpha

    def t_of_lambda(self, lambda_: float | Array) -> Array:
        wanted = np.asarray(lambda_, dtype=np.float64)
        low, high = np.zeros_like(wanted), np.full_like(wanted, self.t_max)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            noisier = self.lambda_(middle) < wanted
            low, high = np.where(noisier, low, middle), np.where(noisier, middle, high)
        return (low + high) / 2


def make_schedule(
    name: str, timesteps: int, resolution: int, time: str = "discrete", tau_min: float = 1e-3
) -> DiscreteSchedule | ContinuousSchedule:
    """The named schedule.

    Args:
        name: one of `NAMES`.
        timesteps: T.
        resolution: side of the images in pixels; only cosine-shift depends on it.
        time: `discrete` or `continuous`.
        tau_min: end of sampling and least time of training in continuous time.
    """
    if time == "continuous":
        return ContinuousSchedule(name, timesteps, resolution, tau_min=tau_min)
    return DiscreteSchedule(name, timesteps, resolution)
