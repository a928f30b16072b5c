"""How fast this machine is at the sizes of a first benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etsdm.cost.sizes import SIZES, Size

if TYPE_CHECKING:
    from etsdm.cost.rates import Speed
    from etsdm.data.look import Pictures


@dataclass(frozen=True)
class Machine:
    """How fast a machine is.

    Attributes:
        device: what it is called.
        jobs: how many run at a time.
        speeds: of one job, by the side of images in pixels.
        features: images a second through the Inception network, in one job.
        has_gpu: whether jobs compute on a GPU.
    """

    device: str
    jobs: int
    speeds: dict[int, Speed]
    features: float
    has_gpu: bool = False


def sizes_for(pictures: Pictures, has_gpu: bool) -> list[Size]:
    """The sizes that pictures can be reduced to and the device can train on, from small to large."""
    return [size for size in SIZES if size.side <= pictures.side and (has_gpu or not size.needs_gpu)]
