"""Group normalisation as the U-Net uses it, by PyTorch's operations or by kernels of our own."""

import torch
from torch import Tensor, nn
from torch.nn import functional

FUSED_PIXELS = 32 * 32
"""Pixels of the largest feature map on which the fused kernels were tried on a GPU."""


def is_small(x: Tensor) -> bool:
    """Whether kernels of ours were tried on maps of this size."""
    return x.shape[2] * x.shape[3] <= FUSED_PIXELS


class GroupNorm(nn.GroupNorm):
    """Group normalisation computed in the type of its weights, so in float32 under autocast.

    With `affine`, scale and shift (B, 2 C), the result is multiplied by 1 + scale and moved by shift; `silu` comes
    last. `added`, (C,) or (B, C), goes to each channel before all this, where the map `is_fused`.

    Attributes:
        fused: do all of this by the kernels of `fused_norm`, on a GPU, up to `FUSED_PIXELS`; it moves the last bits.
    """

    fused = False

    def is_fused(self, x: Tensor) -> bool:
        """Whether the kernels normalise this map."""
        return self.fused and is_small(x)

    def forward(
        self, x: Tensor, affine: Tensor | None = None, silu: bool = False, added: Tensor | None = None
    ) -> Tensor:
        if self.is_fused(x):
            from etsdm.models.fused_norm import group_norm  # needs Triton, which comes with PyTorch for GPUs

            return group_norm(x, self.num_groups, self.weight, self.bias, self.eps, silu, affine, added)
        h = super().forward(x.to(self.weight.dtype)).to(x.dtype)
        if affine is not None:
            scale, shift = (value.to(h.dtype)[:, :, None, None] for value in affine.chunk(2, dim=1))
            h = torch.addcmul(shift, h, 1 + scale)
        return functional.silu(h) if silu else h
