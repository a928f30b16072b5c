"""How much the error at each time counts, one weight a file; without one, what is predicted counts as it is.

Each file has a class of settings, derived from `LossWeight`, and `weigh(alpha, sigma, settings)`: the weight of the
squared error of the noise, whatever the network predicts.
"""

from typing import Annotated

from etsdm.config.registry import OneOf, Registry
from etsdm.diffusion.loss_weights.weight import LossWeight

LOSS_WEIGHTS = Registry("etsdm.diffusion.loss_weights", "loss weight", LossWeight)
NONE = "none"

OneLossWeight = Annotated[LossWeight | None, OneOf(LOSS_WEIGHTS, NONE)]
"""The settings of a weight; None, or the word `none`, for none."""

__all__ = ["LOSS_WEIGHTS", "NONE", "LossWeight", "OneLossWeight"]
