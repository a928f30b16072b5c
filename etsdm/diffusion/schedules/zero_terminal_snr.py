"""zero-terminal-snr: the linear schedule rescaled so that alpha is exactly 0 at its end (Lin et al. 2024)."""

from typing import ClassVar

import numpy as np

from etsdm.diffusion.schedules.family import Family
from etsdm.diffusion.schedules.levels import Array
from etsdm.diffusion.schedules.linear import Linear


class ZeroTerminalSnr(Family):
    """The linear schedule with alpha_t shifted and rescaled so that it is 0 at the end (Lin et al. 2024, algorithm 1).

    The last log alpha is minus infinity.
    """

    name: ClassVar[str] = "zero-terminal-snr"
    order: ClassVar[int] = 50
    ends_in_noise: ClassVar[bool] = True

    @classmethod
    def log_alphas(cls, timesteps: int, resolution: int, flat_until: float) -> Array:
        """The first alpha is kept."""
        alphas = np.exp(Linear.log_alphas(timesteps, resolution, flat_until))
        rescaled = (alphas - alphas[-1]) * alphas[0] / (alphas[0] - alphas[-1])
        with np.errstate(divide="ignore"):
            return np.log(rescaled)

    @classmethod
    def log_alpha(cls, tau: Array, resolution: int, flat_until: float) -> Array:
        alpha, last = (np.exp(Linear.log_alpha(each, resolution, flat_until)) for each in (tau, np.ones(())))
        with np.errstate(divide="ignore"):
            return np.log((alpha - last) / (1 - last))
