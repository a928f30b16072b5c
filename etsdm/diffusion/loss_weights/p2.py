"""p2: times at which no more than fine detail is learnt count less (Choi et al. 2022, "Perception Prioritized")."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from etsdm.config.strict import Positive
from etsdm.diffusion.loss_weights.weight import LossWeight

if TYPE_CHECKING:
    from torch import Tensor


class P2(LossWeight):
    """The error of the noise counts by a falling function of the signal-to-noise ratio."""

    order: ClassVar[int] = 20

    name: Literal["p2"]
    k: Positive = 1.0
    """Added to the signal-to-noise ratio; 1 as in Choi et al."""
    gamma: Positive = 1.0
    """Power: the larger, the less do clean times count."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"p2-{self.k:g}-{self.gamma:g}"


def weigh(alpha: Tensor, sigma: Tensor, settings: P2) -> Tensor:
    """1 / (k + SNR)^gamma with SNR = alpha^2 / sigma^2 (Choi et al. 2022), like `alpha`."""
    return (settings.k + (alpha / sigma).square()) ** -settings.gamma
