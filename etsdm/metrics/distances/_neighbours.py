"""Nearest neighbours among features, a block of rows at a time: what the shares below have in common."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etsdm.metrics.distances.distance import Distance
from etsdm.metrics.moments import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etsdm.metrics.moments import Array

MOST = 5
"""Neighbours of an image whose distances are kept."""


class Share(Distance):
    """A share of images, by their distances to nearest neighbours. It changes by differences.

    Time is linear in the number of references, but for their summary. So is memory: no matrix of all pairs is made.
    """

    judged: ClassVar[bool] = False
    unit: ClassVar[str | None] = ""

    @staticmethod
    def fewest(length: int) -> int:
        """An image needs as many others as neighbours are kept."""
        return MOST + 1

    @staticmethod
    def summarise(real: Array) -> dict[str, Array]:
        """The squared distances of each reference to its five nearest others, (M, 5), ascending: time is quadratic."""
        return {"neighbours": among_themselves(real)}


def among_themselves(features: Array) -> NDArray[np.float64]:
    """Squared distances of each of the images (N, d) to its five nearest others, (N, 5), ascending."""
    return nearest(features, features, MOST + 1)[1][:, 1:]  # the first is the image itself, or its twin


def nearest(points: Array, others: Array, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest `count` of the images `others` (M, d) to each of `points` (N, d), ascending.

    They are found by products in float32. Their distances are then computed from the differences, so that the distance
    of an image to its copy is exactly 0.

    Returns:
        Their numbers (N, count) and their squared distances (N, count).
    """
    numbers, squares = zip(*(_nearest(block, others, count) for block in blocks(points)), strict=True)
    return np.concatenate(numbers), np.concatenate(squares)


def holding(points: Array, centres: Array, radii: Array) -> NDArray[np.int64]:
    """How many of the balls around `centres` (M, d), of squared radii (M,), hold each of `points` (N, d): (N,)."""
    limits, counts = radii.astype(np.float32), np.zeros(len(points), np.int64)
    for first, block in _placed(points):
        for start, part in _placed(centres):
            inside = _squares(block, part) <= limits[start : start + len(part)]
            counts[first : first + len(block)] += inside.sum(1)
    return counts


def _nearest(points: NDArray[np.float32], others: Array, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`nearest` for one block."""
    candidates, squares = [], []
    for start, part in _placed(others):
        between = _squares(points, part)
        picked = np.argpartition(between, min(count, len(part)) - 1, axis=1)[:, :count]
        candidates.append(picked + start)
        squares.append(np.take_along_axis(between, picked, 1))
    best = np.argsort(np.hstack(squares), axis=1, kind="stable")[:, :count]
    numbers = np.take_along_axis(np.hstack(candidates), best, 1)
    gaps = (points - np.asarray(others[column], np.float32) for column in numbers.T)
    exact = np.stack([np.einsum("ij,ij->i", gap, gap, dtype=np.float64) for gap in gaps], 1)
    order = np.argsort(exact, axis=1, kind="stable")
    return np.take_along_axis(numbers, order, 1), np.take_along_axis(exact, order, 1)


def _placed(features: Array) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The blocks of features (N, d), each with the number of its first row."""
    parts = blocks(features)
    return zip(accumulate(map(len, parts), initial=0), parts, strict=False)


def _squares(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances (N, M) of features (N, d) and (M, d)."""
    between = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * (a @ b.T)
    return between.clip(0)
