"""The U-Net against the published parameter count, a rule for its names, and its blocks in plain formulas."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from etsdm.errors import UserError
from etsdm.models.trained import load_network
from etsdm.models.unet import (
    AttentionBlock,
    Downsample,
    GroupNorm,
    ResidualBlock,
    SinusoidalEmbedding,
    UNet,
    Upsample,
    make_network,
)
from etsdm.models.weights import load_weights, save_weights

SMALL: dict[str, Any] = {
    "channels": 8,
    "multipliers": [1, 2],
    "blocks": 1,
    "attention": [],
    "heads": 2,
    "head_channels": None,
    "dropout": 0.0,
    "norm_groups": 4,
    "scale_shift_norm": True,
    "resblock_updown": True,
}
SPEC: dict[str, Any] = {
    "task": {"name": "generation"},
    "dataset": {"name": "grey", "resolution": 8, "channels": 1},
    "diffusion": {},
    "method": {"name": "ddpm"},
    "network": SMALL,
}


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """The network with random numbers instead of its zeros, so that every layer matters."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def test_parameters_of_the_256_px_recipe() -> None:
    with torch.device("meta"):
        network = UNet(3, 3, 256, 128, [1, 1, 2, 2, 4, 4], 1, [16], 4, 64, 0.0, 32, True, True)
    assert sum(parameter.numel() for parameter in network.parameters()) == 93_560_451


def conv(name: str, out: int, into: int, *kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into, *kernel), f"{name}.bias": (out,)}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def residual(name: str, into: int, out: int, scale_shift: bool) -> dict[str, tuple[int, ...]]:
    """guided-diffusion's names in a residual block of a network whose first level has 8 channels."""
    return {
        **norm(f"{name}.in_layers.0", into),
        **conv(f"{name}.in_layers.2", out, into, 3, 3),
        **conv(f"{name}.emb_layers.1", 2 * out if scale_shift else out, 32),
        **norm(f"{name}.out_layers.0", out),
        **conv(f"{name}.out_layers.3", out, out, 3, 3),
        **(conv(f"{name}.skip_connection", out, into, 1, 1) if into != out else {}),
    }


def attention(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {
        **norm(f"{name}.norm", channels),
        **conv(f"{name}.qkv", 3 * channels, channels, 1),
        **conv(f"{name}.proj_out", channels, channels, 1),
    }


@pytest.mark.parametrize("updown", [True, False])
@pytest.mark.parametrize("scale_shift", [True, False])
def test_names_and_shapes_are_those_of_guided_diffusion(updown: bool, scale_shift: bool) -> None:
    """Two levels of 8 and 16 channels on 8 px images of 3 channels, attention at 4 px, written by hand."""
    settings = {**SMALL, "attention": [4], "resblock_updown": updown, "scale_shift_norm": scale_shift}
    down = residual("input_blocks.2.0", 8, 8, scale_shift) if updown else conv("input_blocks.2.0.op", 8, 8, 3, 3)
    up = residual("output_blocks.1.2", 16, 16, scale_shift) if updown else conv("output_blocks.1.2.conv", 16, 16, 3, 3)
    expected = {
        **conv("time_embed.0", 32, 8),
        **conv("time_embed.2", 32, 32),
        **conv("input_blocks.0.0", 8, 3, 3, 3),
        **residual("input_blocks.1.0", 8, 8, scale_shift),
        **down,
        **residual("input_blocks.3.0", 8, 16, scale_shift),
        **attention("input_blocks.3.1", 16),
        **residual("middle_block.0", 16, 16, scale_shift),
        **attention("middle_block.1", 16),
        **residual("middle_block.2", 16, 16, scale_shift),
        **residual("output_blocks.0.0", 16 + 16, 16, scale_shift),
        **attention("output_blocks.0.1", 16),
        **residual("output_blocks.1.0", 16 + 8, 16, scale_shift),
        **attention("output_blocks.1.1", 16),
        **up,
        **residual("output_blocks.2.0", 16 + 8, 8, scale_shift),
        **residual("output_blocks.3.0", 8 + 8, 8, scale_shift),
        **norm("out.0", 8),
        **conv("out.2", 3, 8, 3, 3),
    }
    state = make_network(settings, 8, 3, 3).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected


def test_embedding_is_cosines_then_sines_of_real_times() -> None:
    t = 12.25
    frequencies = [10_000 ** (-i / 4) for i in range(4)]
    expected = [math.cos(t * f) for f in frequencies] + [math.sin(t * f) for f in frequencies]
    torch.testing.assert_close(SinusoidalEmbedding(8)(torch.tensor([t]))[0], torch.tensor(expected))


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor) -> Tensor:
    """Group normalisation by its definition."""
    grouped = x.reshape(len(x), groups, -1)
    centred = grouped - grouped.mean(2, keepdim=True)
    scaled = centred / (centred.square().mean(2, keepdim=True) + 1e-5).sqrt()
    shape = (1, -1, *[1] * (x.ndim - 2))
    return scaled.reshape(x.shape) * weight.view(shape) + bias.view(shape)


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def conv3(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 3x3 convolution as nine shifted matrix products."""
    padded = torch.zeros(*x.shape[:2], x.shape[2] + 2, x.shape[3] + 2, dtype=x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    height, width = x.shape[2:]
    return bias.view(1, -1, 1, 1) + sum(
        torch.einsum("oi,bihw->bohw", weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
        for i in range(3)
        for j in range(3)
    )


def halve(x: Tensor) -> Tensor:
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def double(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("scale_shift", [True, False])
@pytest.mark.parametrize(
    ("resample", "resized"),
    [(None, lambda x: x), ("down", halve), ("up", double)],
    ids=["same", "down", "up"],
)
def test_residual_block_is_its_formula(scale_shift: bool, resample: str | None, resized: Any) -> None:
    block = awake(ResidualBlock(4, 8, 6, 0.0, 2, scale_shift, resample)).double()
    w = block.state_dict()
    x, e = torch.randn(3, 4, 6, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    h = resized(silu(group_norm(x, 2, w["in_layers.0.weight"], w["in_layers.0.bias"])))
    h = conv3(h, w["in_layers.2.weight"], w["in_layers.2.bias"])
    time = (silu(e) @ w["emb_layers.1.weight"].T + w["emb_layers.1.bias"])[:, :, None, None]
    out_norm = w["out_layers.0.weight"], w["out_layers.0.bias"]
    if scale_shift:
        h = group_norm(h, 2, *out_norm) * (1 + time[:, :8]) + time[:, 8:]
    else:
        h = group_norm(h + time, 2, *out_norm)
    h = conv3(silu(h), w["out_layers.3.weight"], w["out_layers.3.bias"])
    skip = torch.einsum("oi,bihw->bohw", w["skip_connection.weight"][:, :, 0, 0], resized(x))
    expected = skip + w["skip_connection.bias"].view(1, -1, 1, 1) + h
    torch.testing.assert_close(block(x, e), expected)


def test_attention_block_is_its_formula_with_heads_outermost() -> None:
    heads, channels = 2, 8
    block = awake(AttentionBlock(channels, heads, 2)).double()
    w = block.state_dict()
    x = torch.randn(3, channels, 2, 3, dtype=torch.float64)
    flat = group_norm(x, 2, w["norm.weight"], w["norm.bias"]).reshape(3, channels, 6)
    qkv = torch.einsum("oi,bin->bon", w["qkv.weight"][:, :, 0], flat) + w["qkv.bias"][:, None]
    each = channels // heads
    attended = []
    for head in range(heads):
        start = 3 * each * head
        q, k, v = (qkv[:, start + i * each : start + (i + 1) * each] for i in range(3))
        scores = torch.exp(torch.einsum("bcn,bcm->bnm", q, k) / math.sqrt(each))
        attended.append(torch.einsum("bnm,bcm->bcn", scores / scores.sum(2, keepdim=True), v))
    h = torch.einsum("oi,bin->bon", w["proj_out.weight"][:, :, 0], torch.cat(attended, 1))
    expected = x + (h + w["proj_out.bias"][:, None]).reshape(x.shape)
    torch.testing.assert_close(block(x), expected)


def test_convolutional_resampling() -> None:
    down, up = awake(Downsample(4)), awake(Upsample(4))
    x = torch.randn(2, 4, 6, 6)
    weight, bias = down.state_dict().values()
    torch.testing.assert_close(down(x), conv3(x, weight, bias)[:, :, ::2, ::2], atol=1e-5, rtol=1e-5)
    weight, bias = up.state_dict().values()
    torch.testing.assert_close(up(x), conv3(double(x), weight, bias), atol=1e-5, rtol=1e-5)


def test_group_norm_computes_in_float32_and_keeps_the_type() -> None:
    x = 1000 + torch.randn(2, 4, 8, 8).bfloat16()
    normed = GroupNorm(2, 4)(x)
    expected = group_norm(x.double(), 2, torch.ones(4), torch.zeros(4))
    assert normed.dtype == torch.bfloat16
    torch.testing.assert_close(normed.double(), expected, atol=1e-2, rtol=1e-2)


def test_under_autocast_the_network_stays_near_itself_and_exact_where_it_matters() -> None:
    """Within 2 % of the output's spread on average and 10 % anywhere; the embedding of time to the last bit."""
    torch.manual_seed(0)
    network = make_network({**SMALL, "channels": 32, "attention": [4], "blocks": 2}, 8, 3, 3).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.copy_(0.1 * torch.randn(parameter.shape))
    x, t = torch.randn(8, 3, 8, 8), torch.linspace(992, 999, 8)
    embeddings: list[Tensor] = []
    network.time_embed.register_forward_hook(lambda *call: embeddings.append(call[-1]))
    kinds: dict[str, torch.dtype] = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Conv1d):
            module.register_forward_hook(lambda *call, name=name: kinds.update({name: call[-1].dtype}))
    with torch.no_grad():
        exact = network(x, t)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = network(x, t)
    assert mixed.dtype == torch.float32
    assert 0 < (mixed - exact).square().mean().sqrt() < 0.02 * exact.std()
    assert (mixed - exact).abs().max() < 0.1 * exact.std()
    assert torch.equal(*embeddings)
    assert {name for name, kind in kinds.items() if kind != torch.bfloat16} == {"out.2"}


@pytest.mark.parametrize(("channels", "norm_groups"), [(32, 8), (32, 32), (8, 4)])
def test_small_images_of_one_channel_start_at_zero(channels: int, norm_groups: int) -> None:
    network = make_network({**SMALL, "channels": channels, "norm_groups": norm_groups}, 8, 1, 1)
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([0.0, 999.0])
    assert torch.equal(network(x, t), torch.zeros_like(x))
    out = awake(network)(x, t)
    assert out.shape == x.shape
    assert out.std() > 0


@pytest.mark.parametrize("updown", [True, False])
def test_images_of_a_batch_do_not_see_each_other(updown: bool) -> None:
    settings = {**SMALL, "attention": [4], "resblock_updown": updown, "blocks": 2}
    network = awake(make_network(settings, 8, 3, 3))
    x, t = torch.randn(4, 3, 8, 8), torch.tensor([0.0, 20.5, 500.0, 999.0])
    alone = torch.cat([network(x[i : i + 1], t[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(network(x, t), alone, atol=1e-5, rtol=1e-5)


def test_the_output_depends_on_time_and_on_every_parameter() -> None:
    network = awake(make_network({**SMALL, "attention": [4, 8]}, 8, 1, 1))
    x = torch.randn(2, 1, 8, 8)
    first, later = network(x, torch.tensor([3.0, 3.0])), network(x, torch.tensor([3.5, 3.5]))
    assert (first - later).abs().max() > 1e-5
    first.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"multipliers": [1, 2, 2, 2, 2]}, "network.multipliers"),
        ({"attention": [5]}, "network.attention"),
        ({"norm_groups": 3}, "network.channels"),
        ({"heads": 3}, "network.heads"),
        ({"head_channels": 3}, "network.head_channels"),
    ],
)
def test_sizes_that_do_not_divide_are_refused(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=key):
        make_network({**SMALL, **changes}, 8, 1, 1)


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    network = awake(make_network(SMALL, 8, 1, 1))
    path = tmp_path / "weights.safetensors"
    save_weights(path, network.state_dict(), SPEC)
    loaded, network_spec = load_network(path)
    spec = network_spec.json_values()
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([1.0, 2.0])
    assert spec == SPEC
    assert not loaded.training
    assert torch.equal(loaded(x, t), network(x, t))
    content = path.read_bytes()
    save_weights(path, loaded.state_dict(), spec)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b[:40], lambda b: b"", lambda b: b"PK" + b])
def test_damaged_weights_are_refused(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, make_network(SMALL, 8, 1, 1).state_dict(), SPEC)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"weights\.safetensors"):
        load_weights(path)


def test_missing_or_foreign_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none"):
        load_weights(tmp_path / "none")
    save_weights(tmp_path / "other", {"weight": torch.ones(2)}, SPEC)
    with pytest.raises(UserError, match="other"):
        load_network(tmp_path / "other")


def test_attention_hands_fused_kernels_what_they_want(monkeypatch: pytest.MonkeyPatch) -> None:
    """The channels of a head side by side; else the slow form is taken, without a word."""
    attend, seen = torch.nn.functional.scaled_dot_product_attention, []

    def watched(*tensors: Tensor) -> Tensor:
        seen.extend(tensor.stride(-1) for tensor in tensors)
        return attend(*tensors)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    block = AttentionBlock(8, 2, 4)
    for layout in (torch.channels_last, torch.contiguous_format):
        block(torch.randn(2, 8, 4, 4).contiguous(memory_format=layout))
    assert seen == [1] * 6
