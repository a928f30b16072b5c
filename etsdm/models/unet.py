"""The ADM U-Net (Dhariwal & Nichol, "Diffusion Models Beat GANs on Image Synthesis", 2021, section 3).

The parameters carry the names and shapes of the authors' guided-diffusion code, so that
checkpoints of the same architecture load with `load_state_dict`; `models/guided_diffusion.py` reads others. Feature
maps are (B, C, H, W); the embedding of the time condition is (B, 4 * channels).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from etsdm.errors import UserError
from etsdm.models.group_norm import GroupNorm, is_small

Module = TypeVar("Module", bound=nn.Module)
ALIGNED = 8
"""Tensor cores want channels in multiples of this."""


class SinusoidalEmbedding(nn.Module):
    """(B,) times, fractional ones allowed -> (B, size) cosines, then sines, in float32.

    The transformer's positional encoding (Vaswani et al., 2017, section 3.5) in guided-diffusion's layout;
    the frequencies fall from 1 towards 1/10000.
    """

    frequencies: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        half = size // 2
        exponents = torch.arange(half, dtype=torch.float32) / half
        self.register_buffer("frequencies", torch.exp(-math.log(10_000) * exponents), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = t.float()[:, None] * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class Upsample(nn.Module):
    """Nearest-neighbour doubling, `fused` by a kernel of `fused_maps`, then a 3x3 convolution."""

    fused = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(doubled(x) if self.fused and is_small(x) else upsample(x))


def doubled(x: Tensor) -> Tensor:
    from etsdm.models.fused_maps import double  # needs Triton

    return double(x)


class Downsample(nn.Module):
    """A 3x3 convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


def upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def downsample(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 2)


class ResidualBlock(nn.Module):
    """norm, SiLU, conv, + time, norm, SiLU, dropout, conv, + skip.

    With `scale_shift` the embedding gives a scale and a shift of the second norm's output (ADM's "adaptive
    group normalisation", section 3.1); without, a bias added before that norm. `resample` halves or doubles
    the size inside the block, as BigGAN does. The last convolution starts at zero.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embedding: int,
        dropout: float,
        norm_groups: int,
        scale_shift: bool,
        resample: str | None = None,
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.resample = {None: None, "up": upsample, "down": downsample}[resample]
        self.in_layers = nn.Sequential(
            GroupNorm(norm_groups, in_channels),
            nn.SiLU(),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
        )
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(embedding, 2 * out_channels if scale_shift else out_channels)
        )
        self.out_layers = nn.Sequential(
            GroupNorm(norm_groups, out_channels),
            nn.SiLU(),
            nn.Dropout(dropout),
            zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
        )
        self.skip_connection = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        norm, _, conv = self.in_layers
        h = norm(x, silu=True)
        if self.resample is not None:
            h, x = self.resample(h), self.resample(x)
        condition = self.emb_layers(embedding)
        norm, _, dropout, last = self.out_layers
        if isinstance(norm, GroupNorm) and norm.is_fused(h):
            h = unbiased(conv, h)
            if self.scale_shift:
                h = norm(h, condition, silu=True, added=conv.bias)
            else:
                h = norm(h, silu=True, added=conv.bias + condition)
            return self._joined(x, unbiased(last, dropout(h)))
        h = conv(h)
        if self.scale_shift:
            h = norm(h, condition, silu=True)
        else:
            h = norm(h + condition.to(h.dtype)[:, :, None, None], silu=True)
        return self.skip_connection(x) + last(dropout(h))

    def _joined(self, x: Tensor, h: Tensor) -> Tensor:
        """The skip connection of `x`, plus `h`, plus the biases that both still lack."""
        from etsdm.models.fused_maps import add

        skip = self.skip_connection
        _, bias, *of_skip = self.late_biases()
        return add(unbiased(skip, x), h, bias + of_skip[0]) if of_skip else add(x, h, bias)

    def late_biases(self) -> list[Tensor]:
        """The biases that a fused block adds in float32, after their convolutions."""
        layers = self.in_layers[-1], self.out_layers[-1], self.skip_connection
        return [layer.bias for layer in layers if isinstance(layer, nn.Conv2d) and layer.bias is not None]


def unbiased(conv: nn.Module, x: Tensor) -> Tensor:
    """A convolution without its bias, for which PyTorch would launch a kernel of its own."""
    assert isinstance(conv, nn.Conv2d)
    return functional.conv2d(x, conv.weight, None, conv.stride, conv.padding)


class AttentionBlock(nn.Module):
    """Multi-head self-attention over the pixels of a feature map, added to it.

    The `qkv` channels are ordered heads first, then query, key and value (guided-diffusion's default order).
    The output projection starts at zero.
    """

    def __init__(self, channels: int, heads: int, norm_groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = GroupNorm(norm_groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        b, c, height, width = x.shape
        pixels = self.norm(x).permute(0, 2, 3, 1)  # no copy where channels come last
        qkv = pixelwise(self.qkv, pixels).view(b, height * width, self.heads, 3, c // self.heads)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)  # fused kernels want the channels of a head side by side
        h = functional.scaled_dot_product_attention(query, key, value)
        h = pixelwise(self.proj_out, h.transpose(1, 2).reshape(b, height, width, c))
        return x + h.permute(0, 3, 1, 2)


def pixelwise(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """A convolution of size 1 over the last dimension of x, as a matrix product."""
    return functional.linear(x, conv.weight[:, :, 0], conv.bias)


class TimedSequence(nn.ModuleList):
    """Layers applied in turn, with the time embedding handed to the residual blocks."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, embedding) if isinstance(layer, ResidualBlock) else layer(x)
        return x


class UNet(nn.Module):
    """The ADM U-Net: images (B, in_channels, resolution, resolution), times (B,) -> (B, out_channels, ...).

    Under autocast, convolutions and attention run in its type; the time embedding, all normalisations and the last
    layer stay in float32, and so does the output.

    Args:
        in_channels, out_channels: channels of the images that go in and come out.
        resolution: height and width of the images, px.
        channels: width of the first level; level i has channels * multipliers[i].
        multipliers: one entry a level; each level but the last halves the size.
        blocks: residual blocks a level on the way down (one more on the way up).
        attention: the sizes, px, of the feature maps that get attention (the innermost one always does).
        heads: attention heads, where `head_channels` is None.
        head_channels: channels a head, which then sets the number of heads.
        dropout: probability, in every residual block.
        norm_groups: groups of every group normalisation.
        scale_shift_norm: condition by scale and shift, not by an added bias.
        resblock_updown: resample inside residual blocks, not by a convolution.

    Attributes:
        checkpointing: keep only what goes from block to block for the backward pass, which computes the rest again:
            less memory for more time, and the same gradients.
        fused: compute what lies between convolutions by kernels of our own; see `fuse`.

    Raises:
        UserError: a size that does not divide as these settings need.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resolution: int,
        channels: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        heads: int,
        head_channels: int | None,
        dropout: float,
        norm_groups: int,
        scale_shift_norm: bool,
        resblock_updown: bool,
    ) -> None:
        super().__init__()
        self.checkpointing = False
        self.fused = False
        check_sizes(resolution, channels, multipliers, attention, heads, head_channels, norm_groups)
        embedding = 4 * channels

        def residual(wide: int, out: int, resample: str | None = None) -> ResidualBlock:
            return ResidualBlock(wide, out, embedding, dropout, norm_groups, scale_shift_norm, resample)

        def attend(wide: int) -> AttentionBlock:
            return AttentionBlock(wide, wide // head_channels if head_channels else heads, norm_groups)

        self.sinusoid = SinusoidalEmbedding(channels)
        self.time_embed = nn.Sequential(nn.Linear(channels, embedding), nn.SiLU(), nn.Linear(embedding, embedding))

        widths = [channels * m for m in multipliers]
        size, wide = resolution, widths[0]
        self.input_blocks = nn.ModuleList(
            [TimedSequence([nn.Conv2d(in_channels, wide, 3, padding=1)])],
        )
        skips = [wide]
        for level, level_width in enumerate(widths):
            if level > 0:
                self.input_blocks.append(
                    TimedSequence([residual(wide, wide, "down") if resblock_updown else Downsample(wide)])
                )
                skips.append(wide)
                size //= 2
            for _ in range(blocks):
                layers: list[nn.Module] = [residual(wide, level_width)]
                wide = level_width
                if size in attention:
                    layers.append(attend(wide))
                self.input_blocks.append(TimedSequence(layers))
                skips.append(wide)

        self.middle_block = TimedSequence([residual(wide, wide), attend(wide), residual(wide, wide)])

        self.output_blocks = nn.ModuleList()
        for level, level_width in reversed(list(enumerate(widths))):
            for block in range(blocks + 1):
                layers = [residual(wide + skips.pop(), level_width)]
                wide = level_width
                if size in attention:
                    layers.append(attend(wide))
                if level > 0 and block == blocks:
                    layers.append(residual(wide, wide, "up") if resblock_updown else Upsample(wide))
                    size *= 2
                self.output_blocks.append(TimedSequence(layers))

        self.out = nn.Sequential(
            GroupNorm(norm_groups, wide),
            nn.SiLU(),
            zeroed(nn.Conv2d(wide, out_channels, 3, padding=1)),
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # near times differ in digits that bfloat16 lacks
            embedding = self.time_embed(self.sinusoid(t))
        skips = []
        for block in self.input_blocks:
            x = self._run(block, x, embedding)
            skips.append(x)
        x = self._run(self.middle_block, x, embedding)
        for block in self.output_blocks:
            x = self._run(block, self._joined(x, skips.pop()), embedding)
        norm, _, conv = self.out
        with torch.autocast(x.device.type, enabled=False):
            h = norm(x.to(embedding.dtype), silu=True)
            return aligned(conv, h) if self.fused else conv(h)

    def _joined(self, x: Tensor, skip: Tensor) -> Tensor:
        if not (self.fused and is_small(x)):
            return torch.cat([x, skip], dim=1)
        from etsdm.models.fused_maps import concatenate  # needs Triton

        return concatenate(x, skip)

    def fuse(self, fused: bool) -> None:
        """Let kernels of `fused_norm` and `fused_maps` compute all but convolutions and attention, or not.

        They need a GPU, and move the last bits of results.
        """
        for module in self.modules():
            if isinstance(module, (GroupNorm, Upsample, UNet)):
                module.fused = fused

    def _run(self, block: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, embedding, use_reentrant=False)
        return block(x, embedding)


def aligned(conv: nn.Module, x: Tensor) -> Tensor:
    """A convolution to few channels, with zeros for more, which tensor cores compute several times as fast."""
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    lacking = -conv.out_channels % ALIGNED
    weight, bias = functional.pad(conv.weight, (0, 0) * 3 + (0, lacking)), functional.pad(conv.bias, (0, lacking))
    return functional.conv2d(x, weight, bias, conv.stride, conv.padding)[:, : conv.out_channels]


def make_network(spec: Mapping[str, Any], resolution: int, in_channels: int, out_channels: int) -> UNet:
    """The U-Net of a "network" spec, whose keys are UNet's other arguments.

    Its weights are laid out channels last, which convolutions are faster with on CPUs and GPUs alike.
    """
    network = UNet(in_channels, out_channels, resolution, **spec)
    return network.to(memory_format=torch.channels_last)


def zeroed(module: Module) -> Module:
    """The same module with every parameter at zero."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def check_sizes(
    resolution: int,
    channels: int,
    multipliers: Sequence[int],
    attention: Sequence[int],
    heads: int,
    head_channels: int | None,
    norm_groups: int,
) -> None:
    """Refuse sizes that would not divide; see UNet for the arguments.

    Raises:
        UserError: naming the key, its value and what would be allowed.
    """
    halvings = len(multipliers) - 1
    if resolution % 2**halvings:
        raise UserError(
            f"network.multipliers: {len(multipliers)} levels need images whose size is a multiple of "
            f"{2**halvings} px, not {resolution} px; use fewer levels or another resolution"
        )
    sizes = [resolution >> level for level in range(len(multipliers))]
    if unknown := [size for size in attention if size not in sizes]:
        raise UserError(f"network.attention: no level of this network is {unknown[0]} px; its levels are {sizes} px")
    if channels % 2 or channels % norm_groups:
        raise UserError(
            f"network.channels: {channels} must be even and a multiple of network.norm_groups = {norm_groups}"
        )
    attended = {channels * m for m, size in zip(multipliers, sizes, strict=True) if size in attention}
    per_head = head_channels or 1
    for width in sorted(attended | {channels * multipliers[-1]}):
        if width % per_head or (head_channels is None and width % heads):
            setting = f"head_channels = {head_channels}" if head_channels else f"heads = {heads}"
            raise UserError(f"network.{setting} does not divide the {width} channels that get attention")
