"""What tests on a GPU share: a small network, its images, and a process beside."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typed import replaced

import etsdm
from etsdm.data.archive import Pixels

DEVICE, CPU = torch.device("cuda"), torch.device("cpu")
STEPS, BATCH = 10, 16
SPEC: dict[str, Any] = {
    "task": {"name": "generation"},
    "dataset": {"name": "slopes", "resolution": 8, "channels": 1},
    "diffusion": {"timesteps": 100, "schedule": "linear", "time": "discrete", "prediction": "eps", "tau_min": 1e-3},
    "method": {"name": "etsdm", "t_tilde": 40, "n": 2, "partition": "uniform"},
    "network": {
        "channels": 16,
        "multipliers": [1, 2],
        "blocks": 1,
        "attention": [4],
        "heads": 2,
        "head_channels": None,
        "dropout": 0.0,
        "norm_groups": 4,
        "scale_shift_norm": True,
        "resblock_updown": True,
    },
    "training": {
        "images": 1000,
        "batch": BATCH,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "betas": [0.9, 0.99],
        "weight_decay": 0.01,
        "warmup": 30,
        "ema_half_life": 200,
        "gradient_clip": 1.0,
        "precision": "float32",
        "flip": True,
    },
    "seed": 3,
}


def changed(**settings: Any) -> dict[str, Any]:
    """SPEC with other values."""
    return replaced(SPEC, **settings)


def slopes() -> Pixels:
    """50 images, each bright on one side."""
    a, b, c = np.random.default_rng(0).uniform(-1, 1, (3, 50, 1, 1))
    rows, columns = np.mgrid[-1:1:8j, -1:1:8j]
    return ((np.tanh(a * rows + b * columns + c / 4) + 1) * 127.5).astype(np.uint8)[..., None]


def relative(ours: Tensor, reference: Tensor) -> float:
    """Norm of the difference over that of the reference."""
    reference = reference.detach().cpu().double()
    return float((ours.detach().cpu().double() - reference).norm() / reference.norm())


def python(script: str, **environment: str) -> subprocess.Popen:
    """Another process that runs `script` with this package and this folder in reach."""
    path = os.pathsep.join([str(Path(etsdm.__file__).parents[1]), str(Path(__file__).parent), *sys.path])
    env = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | environment
    return subprocess.Popen(
        [sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen) -> tuple[str, str]:
    """What it said on stdout and stderr; it is ended where it takes too long."""
    try:
        return process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"the other process did not end:\n{out}\n{err}")
