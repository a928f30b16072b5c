"""Pixels as archives hold them, and as networks take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def from_pixels(pixels: Tensor) -> Tensor:
    """uint8 images (B, H, W, C) as float images in [-1, 1], (B, C, H, W)."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(x: Tensor) -> Tensor:
    """Images in [-1, 1], (B, C, H, W), as uint8 (B, H, W, C); what lies beyond is cut off."""
    return ((x + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
