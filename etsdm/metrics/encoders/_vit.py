"""The vision transformer of DINOv2 (Oquab et al. 2024), with the names of its tensors as in facebookresearch/dinov2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

OFFSET = 0.1
"""Added to the number of patches where positions are resized, as in the code that the weights were published with."""


class VisionTransformer(nn.Module):
    """Images to one feature vector each, the class token after the last layer and its normalisation.

    Args:
        width: channels, and length of the feature vector.
        depth: number of blocks.
        heads: attention heads.
        patch: side of a patch in pixels.
        side: of the images that the positions are stored for, in patches.
    """

    def __init__(self, width: int, depth: int, heads: int, patch: int, side: int) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + side**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of the pre-training alone
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised, with sides that patches fill, to features (B, width)."""
        x = self.patch_embed["proj"](x)
        places = self.positions(x.shape[2], x.shape[3])
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1) + places
        for block in self.blocks:
            tokens = block(tokens)
        features: Tensor = self.norm(tokens[:, 0])
        return features

    def positions(self, rows: int, columns: int) -> Tensor:
        """What is added to the tokens (1, 1 + rows columns, width), resized where the image has another size."""
        stored = self.pos_embed[:, 1:].unflatten(1, (side := round((self.pos_embed.shape[1] - 1) ** 0.5), side))
        if (rows, columns) == (side, side):
            return self.pos_embed
        scale = (rows + OFFSET) / side, (columns + OFFSET) / side
        resized = functional.interpolate(stored.permute(0, 3, 1, 2), scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], 1)


class Block(nn.Module):
    """Attention and two layers for each token, each normalised before, scaled after, and added."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.ls1, self.ls2 = Scale(width), Scale(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, N, width) to tokens."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        hidden = functional.gelu(self.mlp["fc1"](self.norm2(x)))
        changed: Tensor = x + self.ls2(self.mlp["fc2"](hidden))
        return changed


class Attention(nn.Module):
    """Attention of every token to all."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, N, width) to tokens."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return tokens


class Scale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, N, width) to tokens."""
        return x * self.gamma
