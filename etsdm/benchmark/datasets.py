"""Settings of the data sets.

Every data set answers `can_be(resolution)`: whether its images can be made at that size, which is what an
experiment over sizes asks before it copies the settings with another `resolution`.
"""

from typing import Annotated, Literal, get_args

from pydantic import Field

from etsdm.benchmark.strict import Strict

Split = Literal["all", "train", "test"]
PhotoSize = Literal[8, 16, 32, 64, 128]


class Digits(Strict):
    """scikit-learn's 1,797 handwritten digits, grey, labelled. Nothing is downloaded."""

    source: Literal["bundled"]
    bundle: Literal["digits"]
    split: Split = "all"
    """`test`: every sixth image of each class; `train`: the others. The same writers are in both."""
    resolution: Literal[8] = 8
    """The digits are 8x8 and nothing else."""
    channels: Literal[1] = 1
    """Grey."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution == self.resolution


class Photos(Strict):
    """2,059 overlapping square crops of six photographs from scikit-learn and scikit-image, labelled by photograph.

    Nothing is downloaded. The crops are the same, in the same order, at every resolution.
    """

    source: Literal["bundled"]
    bundle: Literal["photos"]
    split: Split = "all"
    """`test`: the crops within the left third of each photograph (359); `train`: those right of it (1,172). They share
    no pixel; the crops that lie across are in `all` only."""
    resolution: PhotoSize = 32
    """Side in pixels to which crops of 128 pixels are reduced by block means."""
    channels: Literal[3] = 3
    """RGB."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution in get_args(PhotoSize)


class Folder(Strict):
    """A folder of images. If each lies in a sub-folder, those are the labels."""

    source: Literal["folder"]
    path: str = Field(min_length=1)
    """The folder, absolute or relative to where the workflow is started."""
    resolution: int = Field(ge=4, le=1024)
    """Side of every image in pixels."""
    channels: Literal[1, 3] = 3
    """1: converted to grey; 3: converted to RGB."""
    resize: Literal["lanczos", "box"] | None = None
    """null: every image must be square and of that resolution already. Otherwise the largest square in the middle of
    each image is reduced with this antialiasing filter of PIL's; an image whose shorter side is below the resolution
    stops the preparation."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide, as far as the settings tell."""
        return resolution == self.resolution or (self.resize is not None and 4 <= resolution <= 1024)


Bundled = Annotated[Digits | Photos, Field(discriminator="bundle")]
Dataset = Annotated[Bundled | Folder, Field(discriminator="source")]
