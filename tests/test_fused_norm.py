"""The fused normalisation by Triton's interpreter, which runs a kernel's own code on a CPU, against float64."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from etsdm.models.unet import GroupNorm
from etsdm.runtime.devices import can_fuse

TOLERANCES = {torch.float32: 1e-6, torch.bfloat16: 1e-2}
CASES = [
    # images, channels, side, groups, with SiLU, an affine map of each image's own
    (2, 64, 8, 32, True, True),
    (3, 96, 4, 32, True, False),
    (2, 24, 7, 8, False, True),
    (1, 192, 16, 32, True, True),
    (2, 16, 1, 4, False, False),
]


def expected(x, weight, bias, groups, silu):
    """From PyTorch's own normalisation, in float64."""
    size = x.shape[:2]
    u = functional.group_norm(x, groups, eps=1e-5) * weight.expand(size)[:, :, None, None]
    u = u + bias.expand(size)[:, :, None, None]
    return functional.silu(u) if silu else u


def off(value, truth):
    return float((value.double() - truth).norm() / truth.norm())


def check(count, channels, side, groups, silu, own, kind):
    from etsdm.models.fused_norm import group_norm

    torch.manual_seed(0)
    x = (2 * torch.randn(count, channels, side, side) + 5).to(kind)
    weight = torch.randn(*([count, channels] if own else [channels]))
    values = [v.requires_grad_() for v in (x, weight, torch.randn_like(weight))]
    slope = torch.randn(x.shape).to(kind)
    truths = [v.detach().double().requires_grad_() for v in values]
    made, truth = group_norm(*values[:1], groups, *values[1:], 1e-5, silu), expected(*truths, groups, silu)
    assert made.dtype == kind and made.is_contiguous(memory_format=torch.channels_last)
    assert off(made, truth) < TOLERANCES[kind]
    wanted = torch.autograd.grad(truth, truths, slope.double())
    for gradient, true in zip(torch.autograd.grad(made, values, slope), wanted, strict=True):
        assert off(gradient, true) < TOLERANCES[kind]


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="PyTorch came without Triton")
def test_the_kernels_are_group_normalisation_and_its_gradient():
    """In a process of its own: Triton asks for its interpreter when a kernel is defined."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(Path(__file__).parent)}
    code = "import test_fused_norm as t; [t.check(*case, kind) for case in t.CASES for kind in t.TOLERANCES]"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_scale_and_shift_come_before_the_activation():
    norm = GroupNorm(4, 8)
    x, scale, shift = torch.randn(2, 8, 5, 5), torch.randn(2, 8), torch.randn(2, 8)
    plain = functional.group_norm(x, 4, norm.weight, norm.bias)
    moved = plain * (1 + scale)[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(norm(x, scale, shift, silu=True), functional.silu(moved))
    torch.testing.assert_close(norm(x), plain)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_nothing_is_fused_on_a_cpu_or_for_a_user_without_a_home(monkeypatch, device):
    """Triton keeps what it compiles in the home."""

    def missing():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", missing)
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    assert not can_fuse(torch.device(device))
