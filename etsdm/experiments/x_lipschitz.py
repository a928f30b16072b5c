"""x-lipschitz: the Lipschitz constant in x beside the one in t."""

from typing import ClassVar

from etsdm.experiments.experiment import Compared
from etsdm.experiments.measures import Measure, Probed
from etsdm.experiments.pairs import OfPairs
from etsdm.probes.lipschitz import pairs
from etsdm.probes.x_lipschitz import Iterations


class XLipschitz(Compared, OfPairs, Iterations):
    """The Lipschitz constant in x at the times of the fine pairs, beside the one in t."""

    name: ClassVar[str] = "x-lipschitz"
    order: ClassVar[int] = 84

    def measures(self) -> list[Measure]:
        fine = [t for _, t in pairs(self) if t <= self.fine_until]
        in_x = {"images": self.images, "t": fine, "iterations": self.iterations}
        return [self.k(), Probed("x-lipschitz", in_x)]
