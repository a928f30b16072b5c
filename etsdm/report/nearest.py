"""Which training images a generated image is nearest to, by the features that its distance was computed from."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etsdm.errors import UserError
from etsdm.metrics.store import load_features

FILE = "features.npz"
LARGEST = 1_000_000_000
"""Bytes of a data set's features above which no neighbours are looked for."""


class Neighbours:
    """The nearest images of data sets, whose features are read once."""

    def __init__(self) -> None:
        self._read: dict[Path, NDArray[np.float32] | None] = {}

    def nearest(self, generated: Path, real: Path, count: int, number: int) -> NDArray[np.int64] | None:
        """Numbers of the nearest real images of each of the first generated ones, the nearest first.

        Args:
            generated: folder with the features of generated images.
            real: folder with those of real images, by the same encoder.
            count: generated images.
            number: neighbours of each.

        Returns:
            (count, number); None where features are missing or damaged, or are too many to read for a page.
        """
        features, real_features = self._features(generated / FILE, keep=False), self._features(real / FILE, keep=True)
        if features is None or real_features is None or len(features) < count or len(real_features) < number:
            return None
        distances = (real_features**2).sum(1) - 2 * features[:count] @ real_features.T
        return np.argsort(distances, axis=1, kind="stable")[:, :number]

    def _features(self, path: Path, keep: bool) -> NDArray[np.float32] | None:
        if path in self._read:
            return self._read[path]
        try:
            whole = path.exists() and path.stat().st_size <= LARGEST
            features = load_features(path).features if whole else None
        except UserError:  # damaged; the next stage that reads it sets it aside
            features = None
        if keep:
            self._read[path] = features
        return features
