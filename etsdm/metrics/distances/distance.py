"""What every distance states of itself, and what it computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from etsdm.metrics.moments import Array

    Summary = Mapping[str, Array]
    """What a distance needs to know of a reference besides its features: arrays by name."""


class Distance:
    """A distance between the features of generated images and those of a data set.

    A set is compared with the same reference as all others. What belongs to the reference alone is its summary, made
    once.

    Attributes:
        order: place among the distances.
        name: its name in a configuration.
        short: beginning of the names of its metrics, where an encoder states no other.
        title: what it is called in a sentence.
        about: what it is, as the beginning of a sentence; empty where the title says it.
        higher_is_better: whether a larger value is the better one.
        judged: whether verdicts are made of it; others stand in the tables alone.
        usual: whether a command computes it where no distance is named.
        unit: unit of a change that is a difference, as of a share; None: changes are differences of logarithms.
    """

    order: ClassVar[int]
    name: ClassVar[str]
    short: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = False
    judged: ClassVar[bool] = True
    usual: ClassVar[bool] = False
    unit: ClassVar[str | None] = None

    @staticmethod
    def fewest(length: int) -> int:
        """Fewest images of each set for which it is defined, with features of this length."""
        return 2

    @staticmethod
    def summarise(real: Array) -> dict[str, Array]:
        """What it needs to know of a reference (M, d) besides its features, by names that no other distance uses.

        Distances that have this function in common share what it gives, which is made once.
        """
        return {}

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The distance between features (N, d) and (M, d); `summary` is that of `real`, and computed if it is None."""
        raise NotImplementedError

    @staticmethod
    def bootstrap(generated: Array, real: Array, summary: Summary, replicates: int) -> list[float] | None:
        """Distances of `generated` (N, d), its images resampled, to one reference; None: it is not bootstrapped."""
        return None
