"""The Inception network behind the resizing of TensorFlow 1, as most published FIDs have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from etsdm.metrics.encoders.inception import (
    SIZE,
    InceptionEncoder,
    encoder_of,
    load_inception,
    never_trained,
    provide_inception,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from etsdm.data.archive import Pixels


class InceptionLegacy(InceptionEncoder):
    """The same network with the resizing of most published FIDs."""

    order: ClassVar[int] = 22
    prefixes: ClassVar[Mapping[str, str]] = {
        "frechet": "fid-legacy",
        "frechet-infinity": "fid-infinity-legacy",
        "kernel": "kid-legacy",
        "kernel-subsets": "kid-subsets-legacy",
    }
    about: ClassVar[Mapping[str, str]] = {
        "frechet": "FID as most published numbers are: Frechet distance between Inception features, images resized by "
        "the bilinear filter of TensorFlow 1.",
        "kernel": "KID: unbiased kernel distance between the same features, over all pairs of images.",
        "kernel-subsets": "KID as usually computed, between the same features: mean over 100 subsets of 1,000 images.",
    }

    name: Literal["inception-legacy"]


def make_weights(
    settings: InceptionLegacy, out: Path, images: Path | None = None, device: torch.device | None = None
) -> dict[str, Any]:
    """Put a verified copy of the network at `out`; see `provide_inception`."""
    return provide_inception(settings.weights, out)


def resized(pixels: Tensor) -> Tensor:
    """uint8 images (B, H, W, C), C of 1 or 3, at the network's size, (B, 3, 299, 299), floats in [0, 255].

    This is `ResizeBilinear` of TensorFlow 1 with `align_corners=False`: output pixel i lies at i H / 299, without the
    half pixel that all others add, and a smaller image is sampled without any averaging.
    """
    x = pixels.permute(0, 3, 1, 2).float()
    for axis, size in ((3, SIZE[1]), (2, SIZE[0])):
        x = _interpolated(x, axis, size)
    return x.expand(-1, 3, -1, -1)


def _interpolated(x: Tensor, axis: int, size: int) -> Tensor:
    import torch

    places = torch.arange(size, device=x.device) * (x.shape[axis] / size)
    lower = places.long()
    low, high = (x.index_select(axis, at) for at in (lower, (lower + 1).clamp(max=x.shape[axis] - 1)))
    shape = [1] * x.dim()
    shape[axis] = size
    return low + (high - low) * (places - lower).view(shape)


def make_encoder(weights: Path, device: torch.device) -> Callable[[Pixels], Tensor]:
    """The Inception network behind this resizing: uint8 images (B, H, W, C) to features (B, 2048)."""
    return encoder_of(load_inception(weights, device), device, resized)


def untrained(device: torch.device) -> tuple[Callable[[Pixels], Tensor], int]:
    """An encoder of Inception's layout that was never trained, and how many images to time it by."""
    return never_trained(device, resized)
