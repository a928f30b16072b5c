"""Sums, joins and doublings of feature maps whose channels lie last, by Triton, each in one pass over memory.

A feature map (B, C, H, W) is taken as rows of C channels, one for each pixel of each image.
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

ROWS, CHANNELS = 64, 64
"""Of a tile, at most."""
PARTS = 256
"""Parts in which the rows of a map are summed, at most: enough for every processor of a GPU."""


@triton.jit
def _add(x, y, bias, out, rows, channels, tile: tl.constexpr, block: tl.constexpr):
    r = (tl.program_id(0) * tile + tl.arange(0, tile)).to(tl.int64)[:, None]
    c = tl.program_id(1) * block + tl.arange(0, block)
    at, inside = r * channels + c[None, :], r < rows
    values = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) + tl.load(y + at, mask=inside, other=0.0)
    tl.store(out + at, (values + tl.load(bias + c)[None, :]).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _channel_sums(x, out, rows, channels, each, tile: tl.constexpr, block: tl.constexpr):
    """Sums of each channel over `each` rows, a multiple of `tile`."""
    c = tl.program_id(1) * block + tl.arange(0, block)
    first = tl.program_id(0) * each
    total = tl.zeros([tile, block], tl.float32)
    for start in range(0, each, tile):
        r = (first + start + tl.arange(0, tile)).to(tl.int64)[:, None]
        total += tl.load(x + r * channels + c[None, :], mask=r < rows, other=0.0).to(tl.float32)
    tl.store(out + tl.program_id(0) * channels + c, tl.sum(total, 0))


@triton.jit
def _cut(x, out, rows, channels, first, width, tile: tl.constexpr, block: tl.constexpr):
    """`width` channels from `first` on."""
    r = (tl.program_id(0) * tile + tl.arange(0, tile)).to(tl.int64)[:, None]
    c = (tl.program_id(1) * block + tl.arange(0, block))[None, :]
    values = tl.load(x + r * channels + first + c, mask=r < rows, other=0.0)
    tl.store(out + r * width + c, values, mask=r < rows)


@triton.jit
def _double(small, large, rows, width, channels, backward: tl.constexpr, tile: tl.constexpr, block: tl.constexpr):
    """Each row of a map, of `width` pixels a line, to its four places in the doubled map; `backward`, their sum."""
    r = (tl.program_id(0) * tile + tl.arange(0, tile)).to(tl.int64)[:, None]
    c = (tl.program_id(1) * block + tl.arange(0, block))[None, :]
    inside, line = r < rows, 2 * width * channels
    here = small + r * channels + c
    there = large + 2 * (r // width) * line + 2 * (r % width) * channels + c
    if backward:
        values = tl.load(there, mask=inside, other=0.0).to(tl.float32)
        values += tl.load(there + channels, mask=inside, other=0.0)
        values += tl.load(there + line, mask=inside, other=0.0)
        values += tl.load(there + line + channels, mask=inside, other=0.0)
        tl.store(here, values.to(small.dtype.element_ty), mask=inside)
    else:
        values = tl.load(here, mask=inside, other=0.0)
        tl.store(there, values, mask=inside)
        tl.store(there + channels, values, mask=inside)
        tl.store(there + line, values, mask=inside)
        tl.store(there + line + channels, values, mask=inside)


def add(x: Tensor, y: Tensor, bias: Tensor) -> Tensor:
    """x + y + bias: two maps of one type (B, C, H, W), and a number for each channel, float32 (C,); channels last."""
    output: Tensor = _Add.apply(x, y, bias)
    return output


def concatenate(x: Tensor, y: Tensor) -> Tensor:
    """The channels of two maps of one type, (B, C, H, W) and (B, D, H, W) -> (B, C + D, H, W); channels last."""
    output: Tensor = _Concatenate.apply(x, y)
    return output


def double(x: Tensor) -> Tensor:
    """Each pixel four times, (B, C, H, W) -> (B, C, 2 H, 2 W); channels last."""
    output: Tensor = _Double.apply(x)
    return output


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, y: Tensor, bias: Tensor) -> Tensor:
        x, y = channels_last(x), channels_last(y)
        out = torch.empty_like(x)
        rows, channels = _size(x)
        _add[_grid(rows, channels)](x, y, bias, out, rows, channels, ROWS, _block(channels))
        return out

    @staticmethod
    @once_differentiable
    def backward(context: Any, dy: Tensor) -> tuple[Tensor, ...]:
        dy = channels_last(dy)
        return dy, dy, channel_sums(dy)


class _Concatenate(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, y: Tensor) -> Tensor:
        context.widths = x.shape[1], y.shape[1]
        return channels_last(torch.cat([x, y], 1))

    @staticmethod
    @once_differentiable
    def backward(context: Any, dy: Tensor) -> tuple[Tensor, ...]:
        dy = channels_last(dy)
        first = context.widths[0]
        return tuple(_cut_out(dy, *part) for part in zip((0, first), context.widths, strict=True))


class _Double(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        x = channels_last(x)
        b, c, height, width = x.shape
        large = _empty(x, b, c, 2 * height, 2 * width)
        _between(x, large, backward=False)
        return large

    @staticmethod
    @once_differentiable
    def backward(context: Any, dy: Tensor) -> Tensor:
        dy = channels_last(dy)
        b, c, height, width = dy.shape
        small = _empty(dy, b, c, height // 2, width // 2)
        _between(small, dy, backward=True)
        return small


def channel_sums(x: Tensor) -> Tensor:
    """Sums of a map (B, C, H, W), channels last, over all but its channels, float32 (C,)."""
    rows, channels = _size(x)
    each = triton.cdiv(triton.cdiv(rows, PARTS), ROWS) * ROWS
    parts = triton.cdiv(rows, each)
    sums = torch.empty(parts, channels, device=x.device)
    block = _block(channels)
    _channel_sums[(parts, channels // block)](x, sums, rows, channels, each, ROWS, block)
    return sums.sum(0)


def _cut_out(x: Tensor, first: int, width: int) -> Tensor:
    b, _, height, side = x.shape
    out = _empty(x, b, width, height, side)
    rows, channels = _size(x)
    _cut[_grid(rows, width)](x, out, rows, channels, first, width, ROWS, _block(width))
    return out


def _between(small: Tensor, large: Tensor, backward: bool) -> None:
    rows, channels = _size(small)
    _double[_grid(rows, channels)](small, large, rows, small.shape[3], channels, backward, ROWS, _block(channels))


def _size(x: Tensor) -> tuple[int, int]:
    """Rows and channels."""
    return x.shape[0] * x.shape[2] * x.shape[3], x.shape[1]


def _grid(rows: int, channels: int) -> tuple[int, int]:
    return triton.cdiv(rows, ROWS), channels // _block(channels)


def _block(channels: int) -> int:
    return power_of_two(channels, CHANNELS)


def power_of_two(size: int, most: int) -> int:
    """The largest power of two up to `most`, itself one, that divides `size`."""
    return min(size & -size, most)


def _empty(x: Tensor, *size: int) -> Tensor:
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def channels_last(x: Tensor) -> Tensor:
    """The same map, copied only if its channels do not lie last."""
    return x.contiguous(memory_format=torch.channels_last)
