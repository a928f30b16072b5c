"""What every weight of the loss states."""

from typing import ClassVar

from etsdm.config.strict import Strict


class LossWeight(Strict):
    """Settings of a weight of the loss.

    Attributes:
        order: place among the weights.
    """

    order: ClassVar[int]

    name: str

    @property
    def slug(self) -> str:
        """Readable part of a path, and name in tables."""
        return self.name
