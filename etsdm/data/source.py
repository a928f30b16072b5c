"""What every source gives."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from etsdm.data.archive import Pixels


@dataclass(frozen=True)
class Source:
    """Images in a fixed order, with their labels where they have any.

    Attributes:
        items: what each image is made of, cheap to read one after the other, and to send to another process.
        decode: makes the image (H, W, C) of an item; a function that another process can be sent, too.
        count: number of images.
        labels: of each image.
        classes: name of each label.
    """

    items: Iterable[Any]
    decode: Callable[[Any], Pixels]
    count: int
    labels: list[int] | None = None
    classes: list[str] | None = None

    @property
    def images(self) -> Iterator[Pixels]:
        """All images."""
        return map(self.decode, self.items)
