"""stripes: 8x8 images of stripes, computed and not read."""

from typing import Any, ClassVar, Literal

import numpy as np

from etsdm.data.originals import Originals, as_they_are
from etsdm.data.sources.source import OneSize

COUNT = 240


class Stripes(OneSize):
    """Stripes that run down or across, with noise; grey, labelled by their direction."""

    order: ClassVar[int] = 200
    outside: ClassVar[bool] = False

    source: Literal["stripes"]
    resolution: Literal[8] = 8
    """The images are 8x8 and nothing else."""
    channels: Literal[1] = 1
    """Grey."""


def inspect(name: str, spec: dict[str, Any]) -> tuple[int, bool]:
    """Number of images, and that they are labelled."""
    return COUNT, True


def load(spec: dict[str, Any]) -> Originals:
    """Every second image has stripes that run across."""
    wave = np.where(np.arange(8) // 2 % 2, 200, 55)
    down = np.broadcast_to(wave, (8, 8))
    noise = np.random.default_rng(0).integers(-50, 51, (COUNT, 8, 8))
    shapes = np.stack([down if number % 2 else down.T for number in range(COUNT)])
    labels = [number % 2 for number in range(COUNT)]
    return Originals((shapes + noise).astype(np.uint8)[..., None], as_they_are, COUNT, labels, ["across", "down"])
