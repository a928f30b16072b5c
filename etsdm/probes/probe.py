"""What every probe's settings have."""

from typing import ClassVar

from etsdm.config.strict import Strict


class Probe(Strict):
    """Settings of a probe.

    Attributes:
        order: place among the probes.
    """

    order: ClassVar[int]

    def evaluations(self) -> int:
        """Evaluations of the network for each image, by which an estimate knows its cost."""
        raise NotImplementedError
