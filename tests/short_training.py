"""A training of ten steps, its files, and how it is broken off."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typed import replaced, train

from etsdm.data.archive import Pixels, write_images
from etsdm.training.trainer import Trainer

CPU = torch.device("cpu")
SPEC: dict[str, Any] = {
    "task": {"name": "generation"},
    "dataset": {"name": "noise", "resolution": 4, "channels": 1},
    "diffusion": {"timesteps": 100, "schedule": "linear", "time": "discrete", "prediction": "eps", "tau_min": 1e-3},
    "method": {"name": "etsdm", "t_tilde": 40, "n": 2, "partition": "uniform"},
    "network": {
        "channels": 8,
        "multipliers": [1],
        "blocks": 1,
        "attention": [],
        "heads": 1,
        "head_channels": None,
        "dropout": 0.2,
        "norm_groups": 4,
        "scale_shift_norm": True,
        "resblock_updown": True,
    },
    "training": {
        "images": 100,
        "batch": 10,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "betas": [0.9, 0.99],
        "weight_decay": 0.01,
        "warmup": 30,
        "ema_half_life": 20,
        "gradient_clip": 1.0,
        "precision": "float32",
        "flip": True,
    },
    "seed": 3,
}


def changed(**settings: Any) -> dict[str, Any]:
    """SPEC with other values."""
    return replaced(SPEC, **settings)


def run(
    archive: Path,
    out: Path,
    spec: dict[str, Any] = SPEC,
    save_minutes: float = 0,
    micro_batch: int = 4,
    **settings: Any,
) -> dict[str, float]:
    """Train on the CPU, saving after each step."""
    settings |= {"save_minutes": save_minutes, "micro_batch": micro_batch}
    return train(spec, archive, out, "cpu", progress=False, **settings)


def states(out: Path) -> list[int]:
    """Images seen by each saved state."""
    return sorted(int(path.name.partition("-")[0]) for path in (out / "state").glob("*.pt"))


def noise() -> Pixels:
    """23 images of noise, of 4x4 pixels."""
    return np.random.default_rng(0).integers(0, 256, (23, 4, 4, 1), dtype=np.uint8)


def write_noise(folder: Path) -> Path:
    """The archive of these images."""
    write_images(folder / "images.zip", noise())
    return folder / "images.zip"


class Cut(Exception):
    """Stands for whatever ends a process."""


def train_until(images: int, archive: Path, out: Path, monkeypatch: pytest.MonkeyPatch, **kwargs: Any) -> None:
    """Train SPEC in `out` and break off in the middle of the step after `images` images."""
    gradient = Trainer._accumulate_gradient

    def cut(trainer: Trainer, *batch: Any) -> None:
        gradient(trainer, *batch)
        if trainer.images == images:
            raise Cut

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(Trainer, "_accumulate_gradient", cut)
        run(archive, out, **kwargs)


def lines(out: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl but for the speed, which no two runs share."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in rows]


def weights(out: Path) -> bytes:
    return (out / "weights.safetensors").read_bytes()


def flip_a_bit(state: Path) -> None:
    """In the middle of a tensor, where the file still reads."""
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
