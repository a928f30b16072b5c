"""confound: which times are trained, and how they weigh, crossed with sharing.

Sharing 20 conditions gives each of them 20 times the images near t = 0. A gain could come from that alone.
"""

from typing import ClassVar

from pydantic import Field

from etsdm.diffusion.loss_weights.min_snr import MinSnr
from etsdm.diffusion.settings import DistributionsOfTimes, LossWeights
from etsdm.diffusion.training_times.beta import Beta
from etsdm.experiments.experiment import Sampled


class Confound(Sampled):
    """Training times and weights of the loss, crossed with the methods."""

    name: ClassVar[str] = "confound"
    order: ClassVar[int] = 65

    training_times: DistributionsOfTimes = Field([None, Beta(name="beta")])
    """Distributions of the training times; `uniform` among them is what others are compared with."""
    loss_weights: LossWeights = Field([None, MinSnr(name="min-snr")])
    """Weights of the loss; `none` among them is what others are compared with."""
