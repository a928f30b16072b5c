"""KID as it is usually computed: the kernel distance, averaged over subsets (Binkowski et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from etsdm.metrics.distances.distance import Distance
from etsdm.metrics.distances.kernel import Kernel
from etsdm.metrics.moments import subset_numbers

if TYPE_CHECKING:
    from etsdm.metrics.distances.distance import Summary
    from etsdm.metrics.moments import Array

SUBSETS = 100
SIZE = 1000


class KernelSubsets(Distance):
    """The mean of the kernel distance over 100 subsets of 1,000 images of each set, drawn without replacement.

    `kernel` has the same expectation, and no noise of a draw. This is for comparison with published numbers. Sets of
    fewer than 1,000 images are refused: subsets of another size would be another protocol.
    """

    order: ClassVar[int] = 22
    name: ClassVar[str] = "kernel-subsets"
    short: ClassVar[str] = "kd-subsets"
    title: ClassVar[str] = "kernel distance over subsets"
    about: ClassVar[str] = "Kernel distance, averaged over 100 subsets of 1,000 images"
    judged: ClassVar[bool] = False

    @staticmethod
    def fewest(length: int) -> int:
        """As many as a subset has."""
        return SIZE

    @staticmethod
    def between(generated: Array, real: Array, summary: Summary | None = None) -> float:
        """The mean, whose time does not depend on the numbers of images."""
        pairs = [
            (subset_numbers(len(generated), SIZE, i), subset_numbers(len(real), SIZE, SUBSETS + i))
            for i in range(SUBSETS)
        ]
        return float(np.mean([Kernel.between(generated[mine], real[theirs]) for mine, theirs in pairs]))
