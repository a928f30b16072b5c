"""How the signal and the noise of a schedule depend on each other: two paths from data to noise, in float64."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class VariancePreserving:
    """alpha^2 + sigma^2 = 1 (Ho et al. 2020, equation 4): x_t keeps the variance of data that have unit variance."""

    @staticmethod
    def sigma(log_alpha: Array) -> Array:
        """Sigma where log alpha is `log_alpha`."""
        return np.asarray(np.sqrt(-np.expm1(2 * log_alpha)))

    @staticmethod
    def sigma_slope(log_alpha: Array) -> Array:
        """d sigma / d log alpha, which has no bound where sigma falls to 0."""
        return np.asarray(-np.exp(2 * log_alpha) / VariancePreserving.sigma(log_alpha))

    @staticmethod
    def log_alpha(lambda_: float | Array) -> Array:
        """Log alpha where lambda is `lambda_`."""
        return np.asarray(-0.5 * np.logaddexp(0.0, -2 * np.asarray(lambda_, dtype=np.float64)))

    @staticmethod
    def added(log_alpha_t: Array, log_alpha_s: Array) -> Array:
        """Variance of the noise between s and the noisier t, sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2.

        It is beta of the whole step, 1 - (alpha_t / alpha_s)^2 (Nichol & Dhariwal 2021, section 4).
        """
        return np.asarray(-np.expm1(2 * (log_alpha_t - log_alpha_s)))


class Straight:
    """alpha + sigma = 1 (Lipman et al. 2023, example II with sigma_min = 0; Liu et al. 2023, rectified flow)."""

    @staticmethod
    def sigma(log_alpha: Array) -> Array:
        """Sigma where log alpha is `log_alpha`."""
        return np.asarray(-np.expm1(log_alpha))

    @staticmethod
    def sigma_slope(log_alpha: Array) -> Array:
        """d sigma / d log alpha, which is 1 at most."""
        return np.asarray(-np.exp(log_alpha))

    @staticmethod
    def log_alpha(lambda_: float | Array) -> Array:
        """Log alpha where lambda is `lambda_`."""
        return np.asarray(-np.logaddexp(0.0, -np.asarray(lambda_, dtype=np.float64)))

    @staticmethod
    def added(log_alpha_t: Array, log_alpha_s: Array) -> Array:
        """Variance of the noise between s and the noisier t, sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2."""
        shrunk = np.exp(log_alpha_t - log_alpha_s) * Straight.sigma(log_alpha_s)
        return np.asarray(Straight.sigma(log_alpha_t) ** 2 - shrunk**2)


Levels = type[VariancePreserving] | type[Straight]
