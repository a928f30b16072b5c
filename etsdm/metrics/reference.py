"""Files with the summary of a reference. Kept free of torch, and apart from `store`, which knows no distance."""

from pathlib import Path

import numpy as np

from etsdm.errors import UserError
from etsdm.metrics.distances import Summary
from etsdm.metrics.store import read_arrays
from etsdm.runtime.files import atomic, sha256


def save_summary(path: Path, summary: Summary, features: Path) -> None:
    """Write the summary of the feature file `features` to the .npz file `path`, atomically."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, mean=summary.mean, root=summary.root, within=summary.within, features=sha256(features))


def load_summary(path: Path, features: str) -> Summary:
    """Read what `save_summary` wrote of the feature file with SHA-256 `features`.

    Raises:
        UserError: the file is missing, damaged, no summary, or that of other features.
    """
    mean, root, within, known = read_arrays(path, "summary of features", "mean", "root", "within", "features")
    if known != features:
        raise UserError(f"{path}: is the summary of other features; make it again by `etsdm reference`")
    return Summary(mean, root, float(within))
