"""The fused normalisation by Triton's interpreter, which runs a kernel's own code on a CPU, against float64."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiers import every_nth_fast
from torch.nn import functional

from etsdm.models.unet import GroupNorm, UNet, upsample
from etsdm.runtime.devices import can_fuse

CPU = torch.device("cpu")
TOLERANCES = {torch.float32: 1e-6, torch.bfloat16: 1e-2}
CASES = [
    # images, channels, side, groups, with SiLU, with scale and shift, what is added to each channel
    (2, 64, 8, 32, True, True, "channel"),
    (3, 96, 4, 32, True, False, "image"),
    (2, 24, 7, 8, False, True, None),
    (1, 192, 16, 32, True, True, None),
    (2, 16, 1, 4, False, False, None),
    (2, 48, 3, 16, False, True, "image"),
    (2, 16, 5, 4, True, False, "channel"),
]
MAPS = [(3, 24, 6), (1, 7, 5), (5, 64, 8)]
"""Images, channels, side."""


def expected(x, weight, bias, affine, added, groups, silu):
    """From PyTorch's own normalisation, in float64."""

    def pixels(vector):
        return vector[..., None, None]

    u = functional.group_norm(x if added is None else x + pixels(added), groups, weight, bias, 1e-5)
    if affine is not None:
        scale, shift = affine.chunk(2, 1)
        u = u * (1 + pixels(scale)) + pixels(shift)
    return functional.silu(u) if silu else u


def off(value, truth):
    return float((value.detach().double() - truth.detach()).norm() / truth.detach().norm())


def compare(function, truth, values, slope, tolerance, device):
    """A function's result and gradients beside those of another in float64."""
    values = [v if v is None else v.to(device).requires_grad_() for v in values]
    slope = slope.to(device)
    truths = [v if v is None else v.detach().double().requires_grad_() for v in values]
    output, true = function(*values), truth(*truths)
    assert output.dtype == values[0].dtype and output.is_contiguous(memory_format=torch.channels_last)
    assert off(output, true) < tolerance
    values, truths = ([v for v in vs if v is not None] for vs in (values, truths))
    wanted = torch.autograd.grad(true, truths, slope.double())
    for value, gradient, right in zip(values, torch.autograd.grad(output, values, slope), wanted, strict=True):
        assert gradient.dtype == value.dtype
        assert off(gradient, right) < tolerance


def check(count, channels, side, groups, silu, moved, added, kind, device=CPU):
    from etsdm.models.fused_norm import group_norm

    torch.manual_seed(0)
    x = (2 * torch.randn(count, channels, side, side) + 5).to(kind)
    sizes = {"channel": (channels,), "image": (count, channels)}
    values = [
        x,
        torch.randn(channels),
        torch.randn(channels),
        torch.randn(count, 2 * channels).to(kind) if moved else None,
        3 * torch.randn(sizes[added]) if added else None,
    ]
    compare(
        lambda x, weight, bias, affine, added: group_norm(x, groups, weight, bias, 1e-5, silu, affine, added),
        lambda *tensors: expected(*tensors, groups, silu),
        values,
        torch.randn(x.shape).to(kind),
        TOLERANCES[kind],
        device,
    )


def check_maps(kind, count, channels, side, device=CPU):
    """Sums, joins and doublings, of maps whose rows fill tiles and of others."""
    from etsdm.models.fused_maps import add, concatenate, double

    torch.manual_seed(0)
    other = 3 * channels
    x, y, skip = (torch.randn(count, c, side, side).to(kind) for c in (channels, channels, other))
    bound, slope = (TOLERANCES[kind], device), torch.randn(count, channels + other, 2 * side, 2 * side).to(kind)
    small = slope[:, :, :side, :side]
    compare(add, lambda x, y, b: x + y + b[:, None, None], [x, y, torch.randn(channels)], small[:, :channels], *bound)
    compare(concatenate, lambda x, y: torch.cat([x, y], 1), [x, skip], small, *bound)
    compare(double, upsample, [x], slope[:, :channels], *bound)


def check_network(scale_shift, resample, device=CPU):
    """A whole network, fused, beside the same one by PyTorch's operations."""
    torch.manual_seed(0)
    sizes = {"multipliers": [1, 2], "blocks": 1, "attention": [4], "heads": 2, "head_channels": None, "dropout": 0.0}
    network = UNet(3, 3, 8, 16, **sizes, norm_groups=4, scale_shift_norm=scale_shift, resblock_updown=resample)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) / 10)
    network.to(device, memory_format=torch.channels_last)
    x, t = torch.randn(2, 3, 8, 8, device=device), torch.tensor([3.0, 700.0], device=device)
    answers = []
    for fused in (False, True):
        network.zero_grad()
        network.fuse(fused)
        output = network(x, t)
        output.pow(2).sum().backward()
        answers.append([output.detach(), *(parameter.grad for parameter in network.parameters())])
    for ours, reference in zip(*answers, strict=True):
        assert off(reference, ours.double()) < 1e-4


def check_all(kind):
    for case in CASES:
        check(*case, kind)
    for shape in MAPS:
        check_maps(kind, *shape)


def check_networks():
    for scale_shift in (False, True):
        check_network(scale_shift, resample=scale_shift)


WHAT = ["check_all(torch.bfloat16)", "check_all(torch.float32)", "check_networks()"]


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="PyTorch came without Triton")
@pytest.mark.parametrize("what", every_nth_fast(WHAT, 3))
def test_the_kernels_are_group_normalisation_and_its_gradient(what):
    """In a process of its own: Triton asks for its interpreter when a kernel is defined."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(Path(__file__).parent)}
    code = f"import torch; from test_fused_norm import *; {what}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_scale_and_shift_come_before_the_activation():
    norm = GroupNorm(4, 8)
    x, scale, shift = torch.randn(2, 8, 5, 5), torch.randn(2, 8), torch.randn(2, 8)
    normalised = functional.group_norm(x, 4, norm.weight, norm.bias)
    moved = normalised * (1 + scale)[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(norm(x, torch.cat([scale, shift], 1), silu=True), functional.silu(moved))
    torch.testing.assert_close(norm(x), normalised)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_nothing_is_fused_on_a_cpu_or_for_a_user_without_a_home(monkeypatch, device):
    """Triton keeps what it compiles in the home."""

    def missing():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", missing)
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    assert not can_fuse(torch.device(device))
