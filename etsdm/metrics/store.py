"""Feature files. Kept free of torch: scoring runs as many short processes."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etsdm.errors import UserError
from etsdm.runtime.files import atomic
from etsdm.runtime.finite import check_finite


@dataclass(frozen=True)
class Features:
    """Features (count, d) of the first `count` images of an archive, and the archive's SHA-256."""

    features: NDArray[np.float32]
    digest: str


def save_features(path: Path, features: NDArray[np.float32], digest: str) -> None:
    """Write features (count, d) of the archive with SHA-256 `digest` to the .npz file `path`, atomically."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, features=features, count=len(features), digest=digest)


def load_features(path: Path) -> Features:
    """Read what `save_features` wrote.

    Raises:
        UserError: the file is missing, damaged, or no feature file, or a feature is not finite.
    """
    arrays = read_arrays(path, "feature file", "features", "count", "digest")
    features, count = arrays["features"], arrays["count"]
    if count != len(features):
        raise UserError(f"{path}: holds {len(features)} features where it says {count}; make it again")
    check_finite(features, f"{path}: features", "train the encoder again")
    return Features(features, str(arrays["digest"]))


def read_arrays(path: Path, kind: str, *needed: str) -> dict[str, NDArray[Any]]:
    """All arrays in the .npz file `path`, which a message calls a `kind`, by name.

    Raises:
        UserError: the file is missing, damaged, or lacks one that is needed.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in dict.fromkeys([*needed, *file.files])}  # each is read once
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable {kind} ({error}); make it again") from error
