"""What a draft takes, and the longest training that fits."""

import math
from dataclasses import replace

from etsdm.cost.estimate import estimate
from etsdm.cost.first.draft import Draft
from etsdm.cost.first.rounding import two_digits
from etsdm.cost.rates import given_rates
from etsdm.plan.plan import make_plan

SHARE = 0.6
"""Part of the minutes that the estimate may take. The rest is for what it leaves out: the start of jobs, classifiers,
distances, figures, the report, and a machine that has other work, too."""
DRAWN = 1 / 3
"""Most of that time that may go into all but the trainings."""
PASSES = 300
"""Most times that a training sees each picture, unless its size needs more."""


class Price:
    """The seconds of a draft by the estimate of `etsdm plan`, which grow with its trainings in a straight line.

    Attributes:
        image: seconds for each image that the trainings see.
        fixed: seconds for all else.
    """

    def __init__(self, draft: Draft) -> None:
        length = draft.size.enough
        once, twice = (_estimated(replace(draft, images=images)) for images in (length, 2 * length))
        self.image = (twice - once) / length
        self.fixed = once - length * self.image
        self._most = max(length, PASSES * draft.pictures.images)

    def seconds(self, images: int) -> float:
        """Of the device, for trainings of this length."""
        return self.fixed + images * self.image

    def longest(self, minutes: float) -> int:
        """Length of the longest trainings that fit, with two digits; 0 if none do."""
        return two_digits(min(self._most, (60 * minutes * SHARE - self.fixed) / self.image))

    def minutes(self, images: int) -> int:
        """The fewest whole minutes into which trainings of this length fit."""
        return math.ceil(max(self.seconds(images), self.fixed / DRAWN) / SHARE / 60)


def _estimated(draft: Draft) -> float:
    plan = make_plan(draft.values(), "the draft", look=False)
    return sum(row.seconds for row in estimate(plan, given_rates(plan)))
