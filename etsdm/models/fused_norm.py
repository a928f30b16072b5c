"""Group normalisation, scale, shift and SiLU of a feature map as one function, with the kernels of its two passes."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from etsdm.models.fused_maps import channels_last, power_of_two
from etsdm.models.fused_norm_kernels import (
    group_moments,
    group_sums,
    input_gradient,
    normalise,
    tile_moments,
    tile_sums,
)

MOST_PIXELS, MOST_CHANNELS = 128, 64
"""Of a tile."""
MOST_GROUPS = 8
"""That one program handles, so that it reads memory in longer pieces."""
LEAST_TILES = 8
"""That a kernel has room for: each other number is a kernel to compile."""


def group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    silu: bool,
    affine: Tensor | None = None,
    added: Tensor | None = None,
) -> Tensor:
    """silu(u), or u, where u = (weight x^ + bias) (1 + scale) + shift.

    x^ is x + added with mean 0 and variance 1 in each group of channels.

    Args:
        x: (B, C, H, W), in float32 or bfloat16; best with channels last.
        groups: a divisor of C.
        weight, bias: float32, (C,).
        eps: added to the variance.
        silu: whether to apply it.
        affine: scale, then shift, of each image's own, (B, 2 C); None: 0.
        added: to each channel of the map, (C,), or of each image, (B, C); None: nothing.

    Returns:
        (B, C, H, W), channels last, of the type of `x`.
    """
    output: Tensor = _GroupNorm.apply(x, weight, bias, affine, added, groups, eps, silu)
    return output


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        affine: Tensor | None,
        added: Tensor | None,
        groups: int,
        eps: float,
        silu: bool,
    ) -> Tensor:
        x = channels_last(x)
        y = torch.empty_like(x)
        tiles = _Tiles(x, groups, silu, _row(affine), _row(added))
        means, squares = tiles.sums(), tiles.sums()
        mean, rstd, above = (tiles.vectors() for _ in range(3))
        maps, vectors = (x, tiles.added), (weight, bias, tiles.affine)
        sizes = (tiles.pixels, tiles.channels)
        shape = (tiles.tile, tiles.block)
        tile_moments[tiles.grid](*maps, means, squares, tiles.strides[0], *sizes, tiles.flags[0], *shape)
        group_moments[tiles.groups](
            means, squares, mean, rstd, above, tiles.count, tiles.channels, tiles.each, eps, tiles.tile, *tiles.padded
        )
        normalise[tiles.grid](*maps, y, mean, rstd, *vectors, *tiles.strides, *sizes, *tiles.flags, *shape)
        context.save_for_backward(x, weight, bias, affine, added, mean, rstd, above)
        context.groups, context.silu = groups, silu
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, affine, added, mean, rstd, above = context.saved_tensors
        dy = channels_last(dy)
        tiles = _Tiles(x, context.groups, context.silu, _row(affine), _row(added))
        sum_z, sum_zx = tiles.sums(), tiles.sums()
        first, second = tiles.vectors(), tiles.vectors()
        d_vectors = torch.empty(3, tiles.batch, tiles.channels, device=x.device)
        d_affine = None if affine is None else torch.empty_like(affine, memory_format=torch.contiguous_format)
        dx = torch.empty_like(x)
        maps, vectors = (x, tiles.added, dy), (weight, bias, tiles.affine)
        sizes = (tiles.pixels, tiles.channels)
        shape = (tiles.tile, tiles.block)
        tile_sums[tiles.grid](*maps, mean, rstd, *vectors, sum_z, sum_zx, *tiles.strides, *sizes, *tiles.flags, *shape)
        group_sums[tiles.groups](
            sum_z,
            sum_zx,
            rstd,
            above,
            *vectors,
            d_vectors,
            x if d_affine is None else d_affine,
            first,
            second,
            tiles.strides[1],
            tiles.batch,
            tiles.count,
            tiles.channels,
            tiles.each,
            tiles.pixels,
            tiles.flags[1],
            *tiles.padded,
        )
        input_gradient[tiles.grid](
            *maps, dx, mean, rstd, *vectors, first, second, *tiles.strides, *sizes, *tiles.flags, *shape
        )
        d_weight, d_bias, d_added = d_vectors.sum(1)
        if added is None or added.ndim == 2:
            d_added = None if added is None else d_vectors[2]
        return dx, d_weight, d_bias, d_affine, d_added, None, None, None


class _Tiles:
    """How a feature map is cut up, and what kernels on its tiles share."""

    def __init__(self, x: Tensor, groups: int, silu: bool, affine: Tensor | None, added: Tensor | None) -> None:
        self.batch, self.channels = x.shape[:2]
        self.pixels = x.shape[2] * x.shape[3]
        self.each = self.channels // groups
        self.tile, self.block = power_of_two(self.pixels, MOST_PIXELS), power_of_two(self.channels, MOST_CHANNELS)
        self.count = self.pixels // self.tile
        self.grid = (self.batch, self.count, self.channels // self.block)
        some = power_of_two(groups, MOST_GROUPS)
        self.groups = (self.batch, groups // some)
        rooms = max(LEAST_TILES, triton.next_power_of_2(self.count)), triton.next_power_of_2(self.each)
        self.padded = (some, *rooms)
        self.device = x.device
        self.affine = x if affine is None else affine
        self.added = x if added is None else added
        self.strides = tuple(0 if v is None or v.ndim == 1 else v.stride(0) for v in (added, affine))
        self.flags = (added is not None, affine is not None, silu)

    def sums(self) -> Tensor:
        return torch.empty(self.batch, self.count, self.channels, device=self.device)

    def vectors(self) -> Tensor:
        return torch.empty(self.batch, self.channels, device=self.device)


def _row(x: Tensor | None) -> Tensor | None:
    return x if x is None or x.stride(-1) == 1 else x.contiguous()
