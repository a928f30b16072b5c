"""guided-diffusion's U-Net, written again from its published definition, to compare our own with.

Its flags keep their names. Attention is one head at a time in plain matrix products, and sizes are told by how often
the image was halved, as there.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 32


def embed(t: Tensor, size: int) -> Tensor:
    rates = 10_000 ** (-torch.arange(size // 2, dtype=torch.float64) / (size // 2))
    angles = t.double()[:, None] * rates[None]
    return torch.hstack([torch.cos(angles), torch.sin(angles)]).float()


class Resample(nn.Module):
    """With a convolution, named as there, or without."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        stride = 2 if name == "op" else 1
        self.add_module(name, nn.Conv2d(channels, channels, 3, stride, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x) if hasattr(self, "op") else self.conv(resized(x, "up"))


def resized(x: Tensor, way: str) -> Tensor:
    if way == "up":
        return functional.interpolate(x, scale_factor=2, mode="nearest")
    return functional.avg_pool2d(x, 2) if way == "down" else x


class Res(nn.Module):
    def __init__(self, into: int, out: int, emb: int, scale_shift: bool, way: str = "") -> None:
        super().__init__()
        self.way, self.scale_shift = way, scale_shift
        self.in_layers = nn.ModuleList([nn.GroupNorm(GROUPS, into), nn.SiLU(), nn.Conv2d(into, out, 3, padding=1)])
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, out * (2 if scale_shift else 1)))
        last = [nn.SiLU(), nn.Dropout(0.0), nn.Conv2d(out, out, 3, padding=1)]
        self.out_layers = nn.ModuleList([nn.GroupNorm(GROUPS, out), *last])
        if into != out:
            self.skip_connection = nn.Conv2d(into, out, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.in_layers[2](resized(functional.silu(self.in_layers[0](x)), self.way))
        e = self.emb_layers(emb)[..., None, None]
        if self.scale_shift:
            half = e.shape[1] // 2
            h = self.out_layers[0](h) * (1 + e[:, :half]) + e[:, half:]
        else:
            h = self.out_layers[0](h + e)
        h = self.out_layers[3](functional.silu(h))
        x = resized(x, self.way)
        return h + (self.skip_connection(x) if hasattr(self, "skip_connection") else x)


class Attention(nn.Module):
    def __init__(self, channels: int, heads: int, new_order: bool) -> None:
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        qkv = self.qkv(self.norm(flat))
        each = x.shape[1] // self.heads
        head_outputs = []
        for head in range(self.heads):
            if self.new_order:
                starts = [part * x.shape[1] + head * each for part in range(3)]
            else:
                starts = [head * 3 * each + part * each for part in range(3)]
            q, k, v = (qkv[:, start : start + each] for start in starts)
            scores = torch.softmax(q.transpose(1, 2) @ k / math.sqrt(each), dim=2)
            head_outputs.append(v @ scores.transpose(1, 2))
        return x + self.proj_out(torch.cat(head_outputs, 1)).view_as(x)


class Stack(nn.ModuleList):
    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, emb) if isinstance(layer, Res) else layer(x)
        return x


class AdmUNet(nn.Module):
    """The U-Net of guided-diffusion's flags; `attention_ds` are the halvings' factors that have attention."""

    def __init__(
        self,
        in_channels: int,
        num_channels: int,
        out_channels: int,
        num_res_blocks: int,
        attention_ds: tuple[int, ...],
        channel_mult: tuple[float, ...],
        num_heads: int = 1,
        num_head_channels: int = -1,
        num_classes: int = 0,
        use_scale_shift_norm: bool = True,
        resblock_updown: bool = True,
        use_new_attention_order: bool = False,
    ) -> None:
        super().__init__()
        emb = 4 * num_channels
        self.num_channels = num_channels
        self.time_embed = nn.Sequential(nn.Linear(num_channels, emb), nn.SiLU(), nn.Linear(emb, emb))
        if num_classes:
            self.label_emb = nn.Embedding(num_classes, emb)

        def res(into: int, out: int, way: str = "") -> Res:
            return Res(into, out, emb, use_scale_shift_norm, way)

        def attention(width: int) -> Attention:
            heads = num_heads if num_head_channels < 0 else width // num_head_channels
            return Attention(width, heads, use_new_attention_order)

        widths = [int(num_channels * mult) for mult in channel_mult]
        width = widths[0]
        self.input_blocks = nn.ModuleList([Stack([nn.Conv2d(in_channels, width, 3, padding=1)])])
        kept = [width]
        for level, wanted in enumerate(widths):
            for _ in range(num_res_blocks):
                self.input_blocks.append(Stack([res(width, wanted)]))
                width = wanted
                if 2**level in attention_ds:
                    self.input_blocks[-1].append(attention(width))
                kept.append(width)
            if level < len(widths) - 1:
                self.input_blocks.append(
                    Stack([res(width, width, "down") if resblock_updown else Resample("op", width)])
                )
                kept.append(width)
        self.middle_block = Stack([res(width, width), attention(width), res(width, width)])
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(widths))):
            for _ in range(num_res_blocks + 1):
                self.output_blocks.append(Stack([res(width + kept.pop(), widths[level])]))
                width = widths[level]
                if 2**level in attention_ds:
                    self.output_blocks[-1].append(attention(width))
            if level:
                self.output_blocks[-1].append(res(width, width, "up") if resblock_updown else Resample("conv", width))
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, out_channels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        emb = self.time_embed(embed(t, self.num_channels))
        if y is not None:
            emb = emb + self.label_emb(y)
        kept = []
        for block in self.input_blocks:
            x = block(x, emb)
            kept.append(x)
        x = self.middle_block(x, emb)
        for block in self.output_blocks:
            x = block(torch.cat([x, kept.pop()], 1), emb)
        return self.out(x)
