"""Sizes of images for a first benchmark, each with a network and a training that suit it."""

from typing import Any, NamedTuple


class Size(NamedTuple):
    """A size of images, and how they are trained on.

    Attributes:
        side: in pixels.
        needs_gpu: whether a CPU would take days.
        network: the block of a configuration.
        training: the same, without the length and what follows from it.
        enough: images that a training must see before its samples show what is in the data.
        seen: where that number comes from.
    """

    side: int
    needs_gpu: bool
    network: dict[str, Any]
    training: dict[str, Any]
    enough: int
    seen: str


SIZES = (
    Size(
        side=8,
        needs_gpu=False,
        network={"preset": "small"},
        training={"preset": "small"},
        enough=30_000,
        seen="digits, docs/results/digits-seeds.md",
    ),
    Size(
        side=16,
        needs_gpu=False,
        network={"preset": "small", "multipliers": [1, 2]},
        training={"preset": "small"},
        enough=60_000,
        seen="clothes of Fashion-MNIST, docs/your-data.md",
    ),
    Size(
        side=32,
        needs_gpu=True,
        network={"preset": "ddpm-cifar10", "channels": 64},
        training={"preset": "ddpm-cifar10", "learning_rate": 4.0e-4, "precision": "bfloat16"},
        enough=400_000,
        seen="CIFAR-10, docs/results/cifar10.md",
    ),
)
"""From small to large. docs/results says of larger ones nothing yet."""
SMALLEST_FOR_GPU = min(size.side for size in SIZES if size.needs_gpu)
"""Side in pixels from which on a training takes a CPU days."""
