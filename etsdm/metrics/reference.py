"""Files with the summary of a reference. Kept free of torch, and apart from `store`, which knows no distance."""

from pathlib import Path
from typing import Any

import numpy as np

from etsdm.errors import UserError
from etsdm.metrics.moments import Array
from etsdm.metrics.store import read_arrays
from etsdm.runtime.files import atomic, sha256


class Kept(dict[str, Array]):
    """A summary of a reference as it was read from a file."""

    def __init__(self, path: Path, arrays: dict[str, Array]) -> None:
        super().__init__(arrays)
        self.path = path

    def __missing__(self, name: str) -> Array:
        raise UserError(f"{self.path}: has no {name!r}: it is of other distances; make it again by `etsdm reference`")


def save_summary(path: Path, summary: dict[str, Array], features: Path) -> None:
    """Write the summary of the feature file `features` to the .npz file `path`, atomically."""
    arrays: dict[str, Any] = {**summary, "features": sha256(features)}
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_summary(path: Path, features: str) -> dict[str, Array]:
    """Read what `save_summary` wrote of the feature file with SHA-256 `features`.

    Looking up what it does not have raises UserError.

    Raises:
        UserError: the file is missing, damaged, no summary, or that of other features.
    """
    arrays = read_arrays(path, "summary of features", "features")
    if arrays.pop("features") != features:
        raise UserError(f"{path}: is the summary of other features; make it again by `etsdm reference`")
    return Kept(path, arrays)
