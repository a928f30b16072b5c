"""What every source gives."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from etsdm.data.archive import Pixels
from etsdm.errors import UserError


class Damaged(UserError):
    """One image of a data set cannot be decoded, and no other is concerned."""


class Remark(UserWarning):
    """What a user should know of an image that is taken all the same. As a warning it leaves a decoder's result alone.

    Args:
        what: said of images, in the plural.
        name: the image.
    """

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what}: {name}")
        self.what, self.name = what, name


class Found(NamedTuple):
    """What a look at a source finds, without reading pixels.

    Attributes:
        images: how many there are.
        labelled: whether they have labels.
        remarks: what a user should know, each in a line.
    """

    images: int
    labelled: bool
    remarks: tuple[str, ...] = ()


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
