"""resolution: one data set at several sizes: distances, and K over the square root of the dimension."""

from typing import ClassVar

from etsdm.config.strict import Counts
from etsdm.data.sources import Dataset
from etsdm.experiments.experiment import Sampled
from etsdm.experiments.measures import Measure
from etsdm.experiments.pairs import OfPairs


class Resolution(Sampled, OfPairs):
    """One data set at several sizes: distances, and K over the square root of the dimension."""

    name: ClassVar[str] = "resolution"
    order: ClassVar[int] = 110

    resolutions: Counts
    """Sides in pixels."""

    def sizes(self, dataset: Dataset, name: str) -> list[Dataset]:
        for side in self.resolutions:
            if not dataset.can_be(side):
                raise ValueError(f"{name} cannot be {side} px wide; see `resolution` and `resize` of data sets")
        return [dataset.model_copy(update={"resolution": side}) for side in self.resolutions]

    def measures(self) -> list[Measure]:
        return [*super().measures(), self.k()]
