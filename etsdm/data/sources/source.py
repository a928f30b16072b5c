"""What the settings of all sources have, and of those of a user's own images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from etsdm.config.strict import MOST, Strict

Split = Literal["all", "train", "test"]
Resize = Literal["lanczos", "box"]


class Source(Strict):
    """Settings of a data set from one kind of source.

    Attributes:
        order: place among the sources.
        outside: whether its images lie outside of installed packages, so that they can change or be gone.
        where: settings that say where its images are, not what they are like.
    """

    order: ClassVar[int]
    outside: ClassVar[bool] = True
    where: ClassVar[frozenset[str]] = frozenset({"source", "path"})

    registered: str | None = Field(None, exclude=True)
    """Name in etsdm/data/datasets.yaml, from where all settings come that are not given. It is no part of the data
    set's identity: the same settings, given here or there, are the same data set."""
    if TYPE_CHECKING:
        source: str
        resolution: int
        channels: int

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide, as far as the settings tell."""
        return resolution == self.resolution


class OneSize(Source):
    """Settings of images that come in one size."""

    resolution: int


class OwnImages(Source):
    """Settings of images of any size; config/README.md says of which formats."""

    source: str
    path: str = Field(min_length=1)
    """Where it is, absolute or relative to where the workflow is started. `~` and `$SCRATCH`, say, are replaced when it
    is read. It is no part of the data set's identity, which the content of the images decides."""
    resolution: int = Field(ge=4, le=1024)
    """Side of every image in pixels."""
    channels: Literal[1, 3] = 3
    """1: converted to grey; 3: converted to RGB."""
    resize: Resize | None = None
    """null: every image must be square and of that resolution already. Otherwise the largest square in the middle of
    each image is reduced: by PIL's antialiasing filter `lanczos`, or with each pixel the mean over its area, `box`. An
    image whose shorter side is below the resolution stops the preparation."""
    skip_damaged: int = Field(0, ge=0, le=MOST)
    """Up to this many images that cannot be decoded are named and left out; one more stops the preparation. It is part
    of the data set's identity only where it is not 0."""

    @model_serializer(mode="wrap")
    def _settings(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        if not self.skip_damaged:
            values.pop("skip_damaged", None)
        return values

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide, as far as the settings tell."""
        return resolution == self.resolution or (self.resize is not None and 4 <= resolution <= 1024)
