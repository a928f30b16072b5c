"""A look into a data set before anything is made of it."""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from etsdm.data.images import size_of
from etsdm.data.originals import Damaged, Originals, Remark
from etsdm.data.sources import SOURCES, inspect_source, load_source
from etsdm.errors import UserError

MOST_ERRORS = 20
"""Bad images that are named."""
MOST_CLASSES = 20
"""Classes whose images are counted in the text."""
GREY = 2
"""Largest difference between the channels of a pixel that is grey: JPEGs of grey images are off by one, or by two."""


class Pictures(NamedTuple):
    """What is known of a folder or an archive of pictures."""

    source: str
    """Kind of the source, which reads it."""
    path: str
    images: int
    classes: int
    """0: they have no labels."""
    side: int
    """Shorter side in pixels of the smallest picture that was opened."""
    is_grey: bool
    """Whether all that were opened are grey."""
    remarks: tuple[str, ...] = ()
    """What a user should know, each in a line."""


def survey(path: Path, most: int) -> Pictures:
    """Open pictures in a folder, or in a zip or tar, to learn what they are like.

    Args:
        path: of the folder or the archive.
        most: how many to open, spread evenly where that costs nothing, or else the first.

    Raises:
        UserError: there are none, or none can be decoded.
    """
    kind = "folder" if path.is_dir() else "zip"
    settings = {"source": kind, "path": str(path), "resolution": 4, "resize": "lanczos"}
    spec = SOURCES[kind].model_validate(settings).model_dump()
    overview, source = inspect_source("pictures", spec), load_source(spec | {"name": "pictures"})
    sides, greys, damaged = [], [], list[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Remark)
        for item in _some(source.items, source.count, most):
            try:
                pixels = source.decode(item)
            except Damaged as error:
                damaged.append(str(error))
            else:
                sides.append(min(size_of(item[1])))
                greys.append(bool(np.ptp(pixels, axis=-1).max() <= GREY))
    if not sides:
        raise UserError("\n".join(damaged[:MOST_ERRORS]))
    classes = len(set(source.labels or ()))
    return Pictures(kind, str(path), overview.images, classes, min(sides), all(greys), overview.remarks)


def look(name: str, spec: dict[str, Any], most: int | None = None) -> list[str]:
    """Open images of a data set, and describe it in lines: its images, their sizes, its classes, remarks.

    Args:
        name: of the data set.
        spec: its specification.
        most: how many images to open, spread evenly where that costs nothing, or else the first; None: all.

    Raises:
        UserError: naming the images that are damaged or of another size; as many as `skip_damaged` may be damaged.
    """
    source = load_source(spec | {"name": name})
    sizes, problems, damaged, opened = Counter[tuple[int, int]](), list[str](), list[str](), 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", Remark)
        for item in _some(source.items, source.count, most):
            opened += 1
            try:
                source.decode(item)
                if "resize" in spec:
                    sizes[size_of(item[1])] += 1
            except Damaged as error:
                damaged.append(str(error))
            except UserError as error:
                problems.append(str(error))
    if len(damaged) > spec.get("skip_damaged", 0):
        problems = damaged + problems
    if problems:
        raise UserError("\n".join([*problems[:MOST_ERRORS], *["and perhaps more"] * (len(problems) >= MOST_ERRORS)]))
    remarks = Counter(warning.message.text for warning in caught if isinstance(warning.message, Remark))
    return [
        f"{name}: {source.count:,} images, {opened:,} of them opened{_ranges(sizes)}",
        f"{name}: {_classes(source)}",
        *(f"{name}: left out: {line}" for line in damaged),
        *(f"{name}: {text}: {count:,} of those opened" for text, count in remarks.items()),
    ]


def _some(items: Iterable[Any], count: int, most: int | None) -> Iterable[Any]:
    if most is None or count <= most:
        return items
    if isinstance(items, Sequence):
        return [items[int(number)] for number in np.linspace(0, count - 1, most)]
    return islice(items, most)


def _ranges(sizes: Counter[tuple[int, int]]) -> str:
    if not sizes:
        return ""
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    smallest, largest = (f"{width}x{height}" for width, height in (ordered[0], ordered[-1]))
    return f", {smallest} pixels" if len(sizes) == 1 else f", {smallest} to {largest} pixels"


def _classes(source: Originals) -> str:
    if source.labels is None:
        return "no labels"
    counts = Counter(source.labels)
    names = [source.classes[label] if source.classes else str(label) for label in sorted(counts)]
    counted = [f"{name} {counts[label]:,}" for name, label in zip(names, sorted(counts), strict=True)]
    others = [f"and {len(counted) - MOST_CLASSES:,} others"] * (len(counted) > MOST_CLASSES)
    return f"{len(counted):,} classes: {', '.join([*counted[:MOST_CLASSES], *others])}"
