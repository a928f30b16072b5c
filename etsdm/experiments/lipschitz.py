"""lipschitz: the time-Lipschitz constant K(t', t) of each trained network."""

from typing import ClassVar

from etsdm.experiments.experiment import Compared
from etsdm.experiments.measures import Measure
from etsdm.experiments.pairs import OfPairs


class Lipschitz(Compared, OfPairs):
    """The time-Lipschitz constant K(t', t) of each trained network."""

    name: ClassVar[str] = "lipschitz"
    order: ClassVar[int] = 10

    def measures(self) -> list[Measure]:
        return [self.k()]
