"""Checkpoints in guided-diffusion's layout, and their import by the command."""

from pathlib import Path
from typing import Any

import torch
from adm import AdmUNet
from click.testing import CliRunner, Result
from configs import write_config
from safetensors.torch import save_file

from etsdm.cli import main
from etsdm.models.weights import load_weights
from etsdm.runtime.files import sha256

LIKE_ADM: dict[str, Any] = {
    "in_channels": 3,
    "num_channels": 32,
    "out_channels": 6,
    "num_res_blocks": 2,
    "attention_ds": (2, 4),
    "channel_mult": (1, 2, 2),
    "num_head_channels": 16,
}
"""A small network with all that the published ones have: attention, resampling in blocks, a learned variance."""
DIGITS: dict[str, Any] = {
    "in_channels": 1,
    "num_channels": 32,
    "out_channels": 2,
    "num_res_blocks": 1,
    "attention_ds": (),
    "channel_mult": (1, 1),
    "num_heads": 2,
}


def reference(**flags: Any) -> AdmUNet:
    torch.manual_seed(0)
    return AdmUNet(**flags).eval()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def imported(folder: Path, network: AdmUNet, resolution: int, *options: object, suffix: str = "pt") -> Path:
    """The weights file that `etsdm import` makes of a network."""
    file = folder / f"checkpoint.{suffix}"
    (torch.save if suffix == "pt" else lambda state, path: save_file(dict(state), path))(network.state_dict(), file)
    done = run("import", file, "--name", "mine", "--resolution", resolution, "--out", folder / "model", *options)
    assert done.exit_code == 0, done.output
    return folder / "model" / "weights.safetensors"


def tuned(folder: Path, model: Path, **changes: Any) -> Path:
    """The configuration of trainings that start from the imported network."""
    settings = load_weights(model)[1]["network"] | {"dropout": 0.1}
    initial = {"weights": str(model), "sha256": sha256(model)}
    return write_config(folder / "tuned.yaml", **{"network": settings, "training.initial": initial} | changes)
