"""A trained network, ready to be asked for noise."""

from pathlib import Path
from typing import Any

import torch

from etsdm.diffusion.conditions import make_condition
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import make_schedule
from etsdm.models.weights import load_network


def load_predictor(weights: Path, device: torch.device, clip_x0: bool = False) -> tuple[NoisePredictor, dict[str, Any]]:
    """The network of a weights file with its own schedule and timestep condition, and its specification.

    Args:
        weights: `weights.safetensors` of a training.
        device: where the network shall live.
        clip_x0: clip each predicted x_0 to [-1, 1].

    Raises:
        UserError: the file is missing, damaged or no weights file of this project.
    """
    network, spec = load_network(weights)
    diffusion = spec["diffusion"]
    schedule = make_schedule(diffusion["schedule"], diffusion["timesteps"], spec["dataset"]["resolution"])
    return NoisePredictor(network.to(device), schedule, make_condition(spec["method"]), clip_x0), spec
