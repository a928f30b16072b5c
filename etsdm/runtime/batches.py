"""How many images are handled at once."""

import math
from collections.abc import Sequence


def images_within(values: int, shape: Sequence[int], most: int | None = None) -> int:
    """Images of this shape that hold no more than `values` together: one at least, and `most` at most.

    Args:
        values: pixel values in all.
        shape: of one image.
        most: images; None: any number.
    """
    fitting = max(1, values // math.prod(shape))
    return fitting if most is None else min(fitting, most)
