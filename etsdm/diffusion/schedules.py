"""Noise schedules in float64.

Time `t` is the index the network is given: a real number in [0, T - 1]. The forward process is
`x_t = alpha_t x_0 + sigma_t eps` with `alpha_t^2 + sigma_t^2 = 1`, so alpha_t is the square root of what Ho et al.
(2020) call alpha-bar at their step t + 1, and clean data lies one step before t = 0.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MAX_BETA = 0.999
"""The cosine schedule's cap on beta (Nichol & Dhariwal 2021, section 3.2)."""


def linear_log_alphas(timesteps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> Array:
    """Log alpha_t for beta linear in t (Ho et al. 2020, section 4).

    The ends are those for 1,000 steps, scaled by 1000 / T for another T as guided-diffusion does.
    """
    scale = 1000 / timesteps
    betas = np.linspace(scale * beta_start, scale * beta_end, timesteps)
    return 0.5 * np.cumsum(np.log1p(-betas))


def quadratic_log_alphas(timesteps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> Array:
    """Log alpha_t for sqrt(beta) linear in t, between the same ends as `linear_log_alphas`."""
    scale = 1000 / timesteps
    betas = np.linspace((scale * beta_start) ** 0.5, (scale * beta_end) ** 0.5, timesteps) ** 2
    return 0.5 * np.cumsum(np.log1p(-betas))


def cosine_log_alphas(timesteps: int, s: float = 0.008) -> Array:
    """Log alpha_t of the cosine schedule (Nichol & Dhariwal 2021, equation 17), with beta <= 0.999."""

    def alpha_bar(u: Array) -> Array:
        return np.cos((u + s) / (1 + s) * np.pi / 2) ** 2

    steps = np.arange(timesteps + 1) / timesteps
    betas = np.minimum(1 - alpha_bar(steps[1:]) / alpha_bar(steps[:-1]), MAX_BETA)
    return 0.5 * np.cumsum(np.log1p(-betas))


def cosine_shift_log_alphas(timesteps: int, resolution: int) -> Array:
    """The cosine schedule with its log-SNR shifted by 2 log(64 / resolution) (Hoogeboom et al. 2023, section 3.1).

    The log-SNR is 2 lambda, so lambda moves by log(64 / resolution).
    """
    log_alphas = cosine_log_alphas(timesteps)
    lambdas = _half_log_snr(log_alphas) + np.log(64 / resolution)
    return -0.5 * np.logaddexp(0.0, -2 * lambdas)


def zero_terminal_snr_log_alphas(timesteps: int) -> Array:
    """The linear schedule with alpha_t shifted and rescaled so that alpha is exactly 0 at the last step.

    Lin et al. (2024), algorithm 1: the first alpha is kept. The last log alpha is minus infinity.
    """
    alphas = np.exp(linear_log_alphas(timesteps))
    rescaled = (alphas - alphas[-1]) * alphas[0] / (alphas[0] - alphas[-1])
    with np.errstate(divide="ignore"):
        return np.log(rescaled)


LOG_ALPHAS: dict[str, Callable[[int, int], Array]] = {
    "linear": lambda timesteps, resolution: linear_log_alphas(timesteps),
    "quadratic": lambda timesteps, resolution: quadratic_log_alphas(timesteps),
    "cosine": lambda timesteps, resolution: cosine_log_alphas(timesteps),
    "cosine-shift": cosine_shift_log_alphas,
    "zero-terminal-snr": lambda timesteps, resolution: zero_terminal_snr_log_alphas(timesteps),
}


def _sigma(log_alpha: Array) -> Array:
    return np.asarray(np.sqrt(-np.expm1(2 * log_alpha)))


def _half_log_snr(log_alpha: Array) -> Array:
    return log_alpha - np.log(_sigma(log_alpha))


@dataclass(frozen=True)
class Schedule:
    """A discrete-time schedule, defined between the integers by linear interpolation of log alpha.

    That interpolation is the one DPM-Solver uses for discrete-time networks (Lu et al. 2022, appendix D). `t_max` is
    the last step with alpha > 0: where alpha is 0, x_t carries no trace of x_0 and noise prediction cannot start.
    """

    name: str
    log_alphas: Array
    alphas: Array = field(init=False)
    sigmas: Array = field(init=False)
    lambdas: Array = field(init=False)
    t_min: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphas", np.exp(self.log_alphas))
        object.__setattr__(self, "sigmas", _sigma(self.log_alphas))
        finite = self.log_alphas[: int(self.t_max) + 1]
        object.__setattr__(self, "lambdas", _half_log_snr(finite))

    @property
    def timesteps(self) -> int:
        """T, the number of discrete steps."""
        return len(self.log_alphas)

    @property
    def t_max(self) -> float:
        """The largest t from which noise prediction can start sampling."""
        return float(np.flatnonzero(np.isfinite(self.log_alphas))[-1])

    def log_alpha(self, t: float | Array) -> Array:
        """Log alpha_t at real t in [0, t_max]."""
        return np.asarray(np.interp(t, np.arange(len(self.lambdas)), self.log_alphas[: len(self.lambdas)]))

    def alpha(self, t: float | Array) -> Array:
        """Signal level alpha_t."""
        return np.exp(self.log_alpha(t))

    def sigma(self, t: float | Array) -> Array:
        """Noise level sigma_t."""
        return _sigma(self.log_alpha(t))

    def lambda_(self, t: float | Array) -> Array:
        """Half log-SNR, lambda_t = log(alpha_t / sigma_t)."""
        return _half_log_snr(self.log_alpha(t))

    def t_of_lambda(self, lambda_: float | Array) -> Array:
        """The t in [0, t_max] at which lambda_t equals `lambda_`; the inverse of `lambda_`."""
        log_alpha = -0.5 * np.logaddexp(0.0, -2 * np.asarray(lambda_, dtype=np.float64))
        finite = self.log_alphas[: len(self.lambdas)]
        return np.asarray(np.interp(log_alpha, finite[::-1], np.arange(len(finite), dtype=np.float64)[::-1]))


def make_schedule(name: str, timesteps: int, resolution: int) -> Schedule:
    """Build a schedule by name.

    Args:
        name: one of `LOG_ALPHAS`.
        timesteps: T.
        resolution: side of the images in pixels; only cosine-shift depends on it.
    """
    return Schedule(name, LOG_ALPHAS[name](timesteps, resolution))
