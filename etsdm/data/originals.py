"""Images as a source has them, before they are prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from etsdm.errors import UserError

if TYPE_CHECKING:
    from etsdm.data.archive import Pixels


class Damaged(UserError):
    """One image of a data set cannot be decoded, and no other is concerned."""


class Remark(UserWarning):
    """What a user should know of an image that is taken all the same. As a warning it leaves a decoder's result alone.

    Args:
        text: what is said of images, in the plural.
        name: the image.
    """

    def __init__(self, text: str, name: str) -> None:
        super().__init__(f"{text}: {name}")
        self.text, self.name = text, name


class Overview(NamedTuple):
    """What is known of a source without reading pixels.

    Attributes:
        images: how many there are.
        labelled: whether they have labels.
        remarks: what a user should know, each in a line.
    """

    images: int
    labelled: bool
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Originals:
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


def as_they_are(pixels: Pixels) -> Pixels:
    """The same image."""
    return pixels
