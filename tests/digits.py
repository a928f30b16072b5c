"""The digits of scikit-learn, their archive, and a classifier of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from etsdm.data.archive import write_images
from etsdm.metrics.encoders.classifier import Classifier
from etsdm.runtime.files import write_json

OF_CLASSIFIER = {"width": 16, "epochs": 15, "batch": 64, "learning_rate": 0.01}
CLASSIFIER = Classifier(name="classifier", **OF_CLASSIFIER)


def digits() -> tuple[np.ndarray, list[int]]:
    data = load_digits()
    return np.round(data.images * (255 / 16)).astype(np.uint8)[..., None], data.target.tolist()


def write_digits(folder: Path, labels: list[int] | None) -> tuple[Path, Path]:
    write_images(folder / "images.zip", digits()[0])
    write_json(folder / "dataset.json", {"labels": labels})
    return folder / "images.zip", folder / "dataset.json"
