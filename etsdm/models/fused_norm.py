"""Group normalisation, scale, shift and SiLU of a feature map whose channels lie last, by Triton, without copies.

PyTorch's own group normalisation wants channels first, and float32: on a GPU a third of a training step goes into
copies around it. Here statistics are float32, whatever the type of the map, and nothing is copied.

A feature map (B, C, H, W) is taken as (B, P, C), P pixels, in tiles of pixels and blocks of channels. Forward: moments
of each tile and channel, moments of each group, the result. Backward: the same three steps. With x^ the normalised map,
N = P C / groups, u = w x^ + b and z = dL/dy silu'(u):

    dL/dw = sum z x^,  dL/db = sum z,  dL/dx = (w z - sum(w z) / N - x^ sum(w z x^) / N) / std

where the first two sums run over pixels, the others over the pixels and channels of a group (Wu & He 2018, "Group
normalization", eq. 1 to 3, differentiated).
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

MOST_PIXELS, MOST_CHANNELS = 64, 64
"""Of a tile."""
LEAST_PADDED = 16
"""Tiles, and channels a group, that a kernel has room for: each other number is a kernel to compile."""


@triton.jit
def _tile_moments(x, mean, m2, pixels, channels, tile: tl.constexpr, block: tl.constexpr):
    """Mean, and sum of squares around it, of each channel of a tile."""
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    values = tl.load(x + (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]).to(tl.float32)
    centre = tl.sum(values, 0) / tile
    off = values - centre[None, :]
    place = (b * tl.num_programs(1) + t) * channels + c
    tl.store(mean + place, centre)
    tl.store(m2 + place, tl.sum(off * off, 0))


@triton.jit(do_not_specialize=["tiles", "channels", "each", "tile"])
def _group_moments(
    tile_mean,
    tile_m2,
    mean,
    rstd,
    tiles,
    channels,
    each,
    eps,
    tile,
    most_tiles: tl.constexpr,
    most_each: tl.constexpr,
):
    """Mean and 1 / std of a group, written for each of its channels; tiles are equally large."""
    b, g = tl.program_id(0), tl.program_id(1)
    t, e = tl.arange(0, most_tiles), tl.arange(0, most_each)
    inside = (t[:, None] < tiles) & (e[None, :] < each)
    where = (b * tiles + t[:, None]) * channels + g * each + e[None, :]
    means = tl.load(tile_mean + where, mask=inside, other=0.0)
    squares = tl.load(tile_m2 + where, mask=inside, other=0.0)
    centre = tl.sum(tl.sum(means, 1), 0) / (tiles * each)
    off = tl.where(inside, means - centre, 0.0)
    total = tl.sum(tl.sum(squares, 1), 0) + tile * tl.sum(tl.sum(off * off, 1), 0)
    deviation = tl.sqrt(total / (tiles * tile * each) + eps)
    c = b * channels + g * each + e
    tl.store(mean + c, tl.zeros([most_each], tl.float32) + centre, mask=e < each)
    tl.store(rstd + c, tl.zeros([most_each], tl.float32) + 1.0 / deviation, mask=e < each)


@triton.jit
def _normalise(
    x,
    y,
    mean,
    rstd,
    w,
    bias,
    w_stride,
    b_stride,
    pixels,
    channels,
    silu: tl.constexpr,
    tile: tl.constexpr,
    block: tl.constexpr,
):
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    at = (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]
    values = tl.load(x + at).to(tl.float32)
    centre, scale = tl.load(mean + b * channels + c), tl.load(rstd + b * channels + c)
    u = (values - centre[None, :]) * scale[None, :] * tl.load(w + b * w_stride + c)[None, :]
    u += tl.load(bias + b * b_stride + c)[None, :]
    if silu:
        u = u * tl.sigmoid(u)
    tl.store(y + at, u.to(y.dtype.element_ty))


@triton.jit
def _activation_gradient(x, dy, mean, rstd, w, bias, silu: tl.constexpr):
    """Normalised values and z = dL/du, of a tile whose vectors of channels are given."""
    normal = (x - mean[None, :]) * rstd[None, :]
    if silu:
        u = normal * w[None, :] + bias[None, :]
        s = tl.sigmoid(u)
        dy = dy * s * (1.0 + u * (1.0 - s))
    return normal, dy


@triton.jit
def _tile_sums(
    x,
    dy,
    mean,
    rstd,
    w,
    bias,
    sum_z,
    sum_zx,
    w_stride,
    b_stride,
    pixels,
    channels,
    silu: tl.constexpr,
    tile: tl.constexpr,
    block: tl.constexpr,
):
    """Sums of z and of z x^ over the pixels of a tile."""
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    at = (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]
    centre, scale = tl.load(mean + b * channels + c), tl.load(rstd + b * channels + c)
    weight, shift = tl.load(w + b * w_stride + c), tl.load(bias + b * b_stride + c)
    values, slope = tl.load(x + at).to(tl.float32), tl.load(dy + at).to(tl.float32)
    normal, z = _activation_gradient(values, slope, centre, scale, weight, shift, silu)
    place = (b * tl.num_programs(1) + t) * channels + c
    tl.store(sum_z + place, tl.sum(z, 0))
    tl.store(sum_zx + place, tl.sum(z * normal, 0))


@triton.jit(do_not_specialize=["w_stride", "tiles", "channels", "each", "pixels"])
def _group_sums(
    tile_z,
    tile_zx,
    w,
    dw,
    db,
    first,
    second,
    w_stride,
    tiles,
    channels,
    each,
    pixels,
    most_tiles: tl.constexpr,
    most_each: tl.constexpr,
):
    """dL/dw and dL/db of each image and channel, and the two means over a group that dL/dx takes."""
    b, g = tl.program_id(0), tl.program_id(1)
    t, e = tl.arange(0, most_tiles), tl.arange(0, most_each)
    inside = (t[:, None] < tiles) & (e[None, :] < each)
    where = (b * tiles + t[:, None]) * channels + g * each + e[None, :]
    z = tl.sum(tl.load(tile_z + where, mask=inside, other=0.0), 0)
    zx = tl.sum(tl.load(tile_zx + where, mask=inside, other=0.0), 0)
    c = b * channels + g * each + e
    tl.store(db + c, z, mask=e < each)
    tl.store(dw + c, zx, mask=e < each)
    weight = tl.load(w + b * w_stride + g * each + e, mask=e < each, other=0.0)
    count = pixels * each
    tl.store(first + c, tl.zeros([most_each], tl.float32) + tl.sum(weight * z, 0) / count, mask=e < each)
    tl.store(second + c, tl.zeros([most_each], tl.float32) + tl.sum(weight * zx, 0) / count, mask=e < each)


@triton.jit
def _input_gradient(
    x,
    dy,
    dx,
    mean,
    rstd,
    w,
    bias,
    first,
    second,
    w_stride,
    b_stride,
    pixels,
    channels,
    silu: tl.constexpr,
    tile: tl.constexpr,
    block: tl.constexpr,
):
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    at = (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]
    centre, scale = tl.load(mean + b * channels + c), tl.load(rstd + b * channels + c)
    weight, shift = tl.load(w + b * w_stride + c), tl.load(bias + b * b_stride + c)
    values, slope = tl.load(x + at).to(tl.float32), tl.load(dy + at).to(tl.float32)
    normal, z = _activation_gradient(values, slope, centre, scale, weight, shift, silu)
    one, two = tl.load(first + b * channels + c), tl.load(second + b * channels + c)
    gradient = scale[None, :] * (weight[None, :] * z - one[None, :] - normal * two[None, :])
    tl.store(dx + at, gradient.to(dx.dtype.element_ty))


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, silu: bool) -> Tensor:
    """silu(w x^ + b), or w x^ + b, where x^ is x with mean 0 and variance 1 in each group of channels.

    Args:
        x: (B, C, H, W), in float32 or bfloat16; best with channels last.
        groups: a divisor of C.
        weight, bias: float32, (C,), or (B, C) for an affine map of each image's own.
        eps: added to the variance.
        silu: whether to apply it.

    Returns:
        (B, C, H, W), channels last, of the type of `x`.
    """
    size = (len(x), x.shape[1])
    output: Tensor = _GroupNorm.apply(x, weight.float().expand(size), bias.float().expand(size), groups, eps, silu)
    return output


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, w: Tensor, b: Tensor, groups: int, eps: float, silu: bool) -> Tensor:
        x, y, w, b = _last(x), torch.empty_like(_last(x)), _rows(w), _rows(b)
        tiles = _Tiles(x, groups)
        means, squares = tiles.sums(), tiles.sums()
        mean, rstd = tiles.vectors(), tiles.vectors()
        _tile_moments[tiles.grid](x, means, squares, tiles.pixels, tiles.channels, tiles.tile, tiles.block)
        _group_moments[tiles.groups](
            means, squares, mean, rstd, tiles.count, tiles.channels, tiles.each, eps, tiles.tile, *tiles.padded
        )
        strides = (w.stride(0), b.stride(0), tiles.pixels, tiles.channels)
        _normalise[tiles.grid](x, y, mean, rstd, w, b, *strides, silu, tiles.tile, tiles.block)
        context.save_for_backward(x, w, b, mean, rstd)
        context.tiles, context.silu = tiles, silu
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w, b, mean, rstd = context.saved_tensors
        tiles, silu, dy = context.tiles, context.silu, _last(dy)
        sum_z, sum_zx = tiles.sums(), tiles.sums()
        dw, db, first, second = (tiles.vectors() for _ in range(4))
        dx = torch.empty_like(x)
        strides = (w.stride(0), b.stride(0), tiles.pixels, tiles.channels)
        shape = (silu, tiles.tile, tiles.block)
        _tile_sums[tiles.grid](x, dy, mean, rstd, w, b, sum_z, sum_zx, *strides, *shape)
        sizes = (w.stride(0), tiles.count, tiles.channels, tiles.each, tiles.pixels)
        _group_sums[tiles.groups](sum_z, sum_zx, w, dw, db, first, second, *sizes, *tiles.padded)
        _input_gradient[tiles.grid](x, dy, dx, mean, rstd, w, b, first, second, *strides, *shape)
        return dx, dw, db, None, None, None


class _Tiles:
    """How a feature map is cut up."""

    def __init__(self, x: Tensor, groups: int) -> None:
        self.batch, self.channels = x.shape[:2]
        self.pixels = x.shape[2] * x.shape[3]
        self.each = self.channels // groups
        self.tile, self.block = _power_of_two(self.pixels, MOST_PIXELS), _power_of_two(self.channels, MOST_CHANNELS)
        self.count = self.pixels // self.tile
        self.grid = (self.batch, self.count, self.channels // self.block)
        self.groups = (self.batch, groups)
        self.padded = tuple(max(LEAST_PADDED, triton.next_power_of_2(size)) for size in (self.count, self.each))
        self.device = x.device

    def sums(self) -> Tensor:
        return torch.empty(self.batch, self.count, self.channels, device=self.device)

    def vectors(self) -> Tensor:
        return torch.empty(self.batch, self.channels, device=self.device)


def _power_of_two(size: int, most: int) -> int:
    """The largest power of two up to `most` that divides `size`."""
    return min(size & -size, most)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _rows(x: Tensor) -> Tensor:
    return x if x.stride(1) == 1 else x.contiguous()
