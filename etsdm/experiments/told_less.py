"""told-less: how much of t a network must be told, from all of it to nothing: distance and K side by side.

E-TSDM is one point of that axis. At its end the condition is withheld everywhere (Sun et al. 2025). Theory says that
predicted noise fails there and predicted v does not (Sahraee-Ardakan et al. 2026). Slower embeddings and remapped times
lower K while they tell all.
"""

from typing import ClassVar

from pydantic import Field

from etsdm.diffusion.settings import Predictions
from etsdm.experiments.experiment import Sampled
from etsdm.experiments.measures import Measure
from etsdm.experiments.pairs import OfPairs


class ToldLess(Sampled, OfPairs):
    """How much of t the network is told: distance and K of each method side by side."""

    name: ClassVar[str] = "told-less"
    order: ClassVar[int] = 68

    predictions: Predictions = Field(["eps", "v"])
    """What the network predicts."""

    def measures(self) -> list[Measure]:
        return [*super().measures(), self.k()]
