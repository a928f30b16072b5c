"""min-snr: easy times, of a high signal-to-noise ratio, count less (Hang et al. 2023, "Min-SNR")."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from etsdm.config.strict import Positive
from etsdm.diffusion.loss_weights.weight import LossWeight

if TYPE_CHECKING:
    from torch import Tensor


class MinSnr(LossWeight):
    """The error of x_0 counts by its signal-to-noise ratio, up to gamma."""

    order: ClassVar[int] = 10

    name: Literal["min-snr"]
    gamma: Positive = 5.0
    """The largest weight of the error of x_0; 5 as in Hang et al."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"min-snr-{self.gamma:g}"


def weigh(alpha: Tensor, sigma: Tensor, settings: MinSnr) -> Tensor:
    """min(SNR, gamma) / SNR with SNR = alpha^2 / sigma^2 (Hang et al. 2023, for predicted noise), like `alpha`."""
    return (settings.gamma * (sigma / alpha).square()).clamp(max=1)
