"""Which configuration fits into some minutes of a machine: the size, the seeds, the length, and what is measured."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Literal

from etsdm.cost.first.draft import Draft
from etsdm.cost.first.machine import Machine, sizes_for
from etsdm.cost.first.price import Price
from etsdm.cost.sizes import SIZES
from etsdm.errors import UserError
from etsdm.metrics.evaluation import fewest_images

if TYPE_CHECKING:
    from etsdm.data.look import Pictures

SEEDS = (3, 2)
"""Numbers of seeds, the best first. One alone shows no difference between methods."""
SAMPLES = (500, 200)
"""Images of a sample set, the best first, where it is no FID."""
SAMPLES_OF_FID = 2_500
FEWEST_IMAGES = 1_000
"""Length of a training below which nothing is proposed."""


@dataclass(frozen=True)
class Choice:
    """A draft that fits.

    Attributes:
        draft: the configuration.
        minutes: that it may take.
        seconds: that it takes of the device by the estimate.
    """

    draft: Draft
    minutes: float
    seconds: float

    @property
    def is_enough(self) -> bool:
        """Whether its trainings are long enough for its size."""
        return self.draft.images >= self.draft.size.enough


def choose(name: str, pictures: "Pictures", machine: Machine, minutes: float) -> Choice:
    """The best draft whose trainings can be long enough; if there is none, the smallest, as long as it can be.

    Args:
        name: of the benchmark.
        pictures: to be trained on.
        machine: that runs it.
        minutes: that it may take.

    Raises:
        UserError: the pictures are too small, or the minutes too few.
    """
    if not sizes_for(pictures, machine.has_gpu):
        raise UserError(f"{pictures.path}: a picture has {pictures.side} pixels a side; {SIZES[0].side} are needed")
    for draft in drafts(name, pictures, machine):
        price = Price(draft)
        if minutes >= price.minutes(draft.size.enough):
            break
    images = price.longest(minutes)
    if images < FEWEST_IMAGES:
        raise UserError(f"{minutes:g} minutes are too few; give --minutes {price.minutes(FEWEST_IMAGES):,}")
    return Choice(replace(draft, images=images), minutes, price.seconds(images))


def drafts(name: str, pictures: "Pictures", machine: Machine) -> Iterator[Draft]:
    """What may be chosen, the best first, with trainings that are just long enough.

    Several seeds go before distances, these before large images, and large images before a third seed. Without
    distances K alone is measured; a classifier takes so little time that it is never left out.
    """
    encoder, sizes = encoder_for(pictures, machine.has_gpu), sizes_for(pictures, machine.has_gpu)
    samples = (SAMPLES_OF_FID,) if is_fid(pictures, machine.has_gpu) else SAMPLES
    scored = (True,) if encoder == "classifier" else (True, False)
    for numbers, is_scored, size in product((SEEDS, (1,)), scored, reversed(sizes)):
        for seeds, count in product(numbers, samples):
            yield Draft(name, pictures, machine, size, seeds, encoder, count, size.enough, is_scored)


def is_fid(pictures: "Pictures", has_gpu: bool) -> bool:
    """Whether FID is measured: on a GPU, and for as many pictures as it needs."""
    return has_gpu and pictures.images >= fewest_images("inception", ["frechet"])


def encoder_for(pictures: "Pictures", has_gpu: bool) -> Literal["classifier", "inception"]:
    """A classifier of the pictures' labels, but for FID and where there are none."""
    return "classifier" if pictures.classes and not is_fid(pictures, has_gpu) else "inception"
