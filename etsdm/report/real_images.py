"""Which real images the report shows: drawn by a seed, every class in turn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from etsdm.data.archive import Pixels, count_images, pick_images
from etsdm.runtime.files import read_json

SEED = 0
"""Of the draw, the same in every report."""


def drawn(labels: Sequence[int] | None, count: int, number: int) -> list[int]:
    """Numbers of images: one of each class, then another of each, until there are enough.

    Where there are more classes than images, the seed draws the classes, too.

    Args:
        labels: class of each image; None where images have none.
        count: images that there are.
        number: images that are wanted.
    """
    generator = np.random.default_rng(SEED)
    order = generator.permutation(count)
    if not labels:
        return [int(n) for n in order[:number]]
    by_class: dict[int, list[int]] = {label: [] for label in sorted(set(labels))}
    for n in order:
        by_class[labels[n]].append(int(n))
    classes = list(by_class.values())
    if len(classes) > number:
        classes = [classes[i] for i in generator.permutation(len(classes))]
    most = max(map(len, classes))
    return [images[turn] for turn in range(most) for images in classes if turn < len(images)][:number]


def real_images(folder: Path, number: int) -> Pixels:
    """Images of a data set, (N, H, W, C), from all classes, drawn by a seed.

    Args:
        folder: of the data set, with `images.zip` and `dataset.json`.
        number: images that are wanted.

    Raises:
        UserError: the archive is missing or damaged.
    """
    archive = folder / "images.zip"
    count, labels = count_images(archive), read_json(folder / "dataset.json").get("labels")
    return pick_images(archive, drawn(labels, min(count, len(labels or range(count))), number))
