"""progress: distances and K of every snapshot that `training.snapshots` keeps."""

from typing import ClassVar

from etsdm.experiments.experiment import Common, Sampled
from etsdm.experiments.measures import Measure
from etsdm.experiments.pairs import OfPairs


class Progress(Sampled, OfPairs):
    """Distances and K of every snapshot that `training.snapshots` keeps."""

    name: ClassVar[str] = "progress"
    order: ClassVar[int] = 120
    of_snapshots: ClassVar[bool] = True

    def measures(self) -> list[Measure]:
        return [*super().measures(), self.k()]

    def check(self, common: Common) -> None:
        training = common.training
        if training.snapshots is None:
            raise ValueError(
                "there is nothing to measure without training.snapshots; give counts of images seen and half-lives, "
                f"such as snapshots: {{images: [{training.images // 2}, {training.images}], "
                f"ema_half_lives: [{training.ema_half_life}]}}"
            )
