"""What every source gives."""

from collections.abc import Iterator
from dataclasses import dataclass

from etsdm.data.archive import Pixels


@dataclass(frozen=True)
class Source:
    """Images (H, W, C) in a fixed order, with their labels where they have any."""

    images: Iterator[Pixels]
    count: int
    labels: list[int] | None
    classes: list[str] | None
