"""predictions: what the network predicts."""

from typing import ClassVar

from etsdm.experiments.experiment import Sampled


class PredictionsCompared(Sampled):
    """What the network predicts."""

    name: ClassVar[str] = "predictions"
    order: ClassVar[int] = 50
