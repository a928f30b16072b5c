"""What every distribution of training times states."""

from typing import ClassVar

from etsdm.config.strict import Strict


class TrainingTimes(Strict):
    """Settings of a distribution of training times.

    Attributes:
        order: place among the distributions.
    """

    order: ClassVar[int]

    name: str

    @property
    def slug(self) -> str:
        """Readable part of a path, and name in tables."""
        return self.name
