"""A trained network, read back from its weights and ready to be asked for noise."""

from pathlib import Path
from typing import Any

import torch

from etsdm.diffusion.conditions import make_condition
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import make_schedule
from etsdm.errors import UserError
from etsdm.models.unet import UNet, make_network
from etsdm.models.weights import load_weights


def load_network(path: Path) -> tuple[UNet, dict[str, Any]]:
    """The trained network at `path`, in evaluation mode on the CPU, and the specification of its training.

    Raises:
        UserError: the file cannot be used, or its tensors are not those of the network it specifies.
    """
    tensors, spec = load_weights(path)
    network = make_network(spec["network"], spec["dataset"]["resolution"], spec["dataset"]["channels"])
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path}: its tensors are not those of the network it specifies: {error}") from error
    return network.eval(), spec


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
