"""CIFAR-10 (Krizhevsky 2009) as its author packs it for Python: cifar-10-python.tar.gz, which holds pickles.

They are read by an unpickler that knows NumPy's arrays and nothing else, so a hostile one is refused and not executed.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from etsdm.data.files import LARGEST_FILE, existing_file, file_fingerprint
from etsdm.data.originals import Originals, as_they_are
from etsdm.data.sources.source import OneSize, Split
from etsdm.errors import UserError

if TYPE_CHECKING:
    from etsdm.data.archive import Pixels

NAMES = "batches.meta"
TRAIN, TEST = [f"data_batch_{number}" for number in range(1, 6)], ["test_batch"]
BATCHES = {"all": TRAIN + TEST, "train": TRAIN, "test": TEST}
BATCH = 10_000
"""Images in each file."""
SIDE = 32
RECONSTRUCT = np.empty(0).__reduce__()[0]
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class Cifar10(OneSize):
    """CIFAR-10 as its author packs it for Python: 50,000 images for training and 10,000 for testing, labelled."""

    order: ClassVar[int] = 90

    source: Literal["cifar10"]
    path: str = Field(min_length=1)
    """The file cifar-10-python.tar.gz."""
    split: Split = "all"
    """Which of its images."""
    resolution: Literal[32] = 32
    """They are 32x32 and nothing else."""
    channels: Literal[3] = 3
    """RGB."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"refused: it asks for {module}.{name}")
        return ALLOWED[module, name]


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of images, and that they are labelled.

    Raises:
        UserError: the archive is not there.
    """
    existing_file(name, Path(spec["path"]), "cifar-10-python.tar.gz")
    return BATCH * len(BATCHES[spec["split"]]), True


def fingerprint(spec: dict[str, Any]) -> str | None:
    """What tells that the archive has changed. None: it is not there."""
    return file_fingerprint(Path(spec["path"]))


def load(spec: dict[str, Any]) -> Originals:
    """The split's images: the files and the images in them in their order.

    Raises:
        UserError: the archive is damaged, or is not CIFAR-10.
    """
    path, batches = spec["path"], BATCHES[spec["split"]]
    try:
        files = _unpickled(path, [NAMES, *batches])
        classes = [str(name) for name in files[NAMES]["label_names"]]
        pixels = np.concatenate([_images(files[name]["data"]) for name in batches])
        labels = [int(label) for name in batches for label in files[name]["labels"]]
    except Exception as error:  # an unpickler may raise anything
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{path}: not a readable archive of CIFAR-10 for Python ({reason}); get it again") from error
    if len(labels) != len(pixels) or not set(labels) <= set(range(len(classes))):
        raise UserError(f"{path}: {len(labels)} labels for {len(pixels)} images, or unknown ones; get it again")
    return Originals(pixels, as_they_are, len(pixels), labels, classes)


def _unpickled(path: str, names: list[str]) -> dict[str, dict[str, Any]]:
    unpickled = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if member.isfile() and name in names and member.size <= LARGEST_FILE:
                content = archive.extractfile(member)
                assert content is not None  # a plain file
                unpickled[name] = _Unpickler(io.BytesIO(content.read()), encoding="latin1").load()
    return unpickled


def _images(data: Any) -> Pixels:
    """The rows of a file, each red, green and blue one after the other, as (N, 32, 32, 3)."""
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (BATCH, 3 * SIDE**2):
        raise ValueError(f"{BATCH:,} images of {3 * SIDE**2} bytes are needed in each file")
    return data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
