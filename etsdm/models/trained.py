"""A trained network, read back from its weights and ready to be asked for noise."""

import sys
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from etsdm.config.training import Initial
from etsdm.data.sources import expanded
from etsdm.diffusion.make import make_process
from etsdm.diffusion.predictor import Network, NoisePredictor
from etsdm.diffusion.process import Process
from etsdm.errors import UserError
from etsdm.models.spec import NetworkSpec, read_model_spec
from etsdm.models.unet import UNet, make_network
from etsdm.models.weights import load_weights
from etsdm.runtime.files import sha256
from etsdm.solvers.grids import start


def build_network(spec: NetworkSpec) -> UNet:
    """The network of a specification, not trained.

    An imported network that was told times up to N instead of T is told t N / T: its frequencies are scaled.
    """
    images = spec.dataset
    network = make_network(spec.network.model_dump(), images.resolution, spec.inputs, images.channels)
    if spec.told_up_to:
        network.sinusoid.frequencies *= spec.told_up_to / spec.diffusion.timesteps
    return network


def load_network(path: Path) -> tuple[UNet, NetworkSpec]:
    """The trained network at `path`, in evaluation mode on the CPU, and the specification of its training.

    Raises:
        UserError: the file cannot be used, or its tensors are not those of the network it specifies.
    """
    tensors, values = load_weights(path)
    try:
        spec = read_model_spec(values)
    except ValidationError as error:
        raise UserError(f"{path}: its specification is not one of this version: {error}") from error
    network = build_network(spec)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path}: its tensors are not those of the network it specifies: {error}") from error
    return network.eval(), spec


def initial_network(initial: Initial, *specs: NetworkSpec) -> UNet:
    """The network whose weights trainings start from, in evaluation mode on the CPU.

    Args:
        initial: `weights`, a file of ours, and its `sha256`.
        specs: of the trainings that start there.

    Raises:
        UserError: the file cannot be used or is another one, or its network is not that of each of `specs`. Dropout
            and whatever does not change the network may differ.
    """
    path = Path(expanded(initial.weights))
    network, earlier = load_network(path)
    if (digest := sha256(path)) != initial.sha256:
        raise UserError(f"training.initial: {path} has the SHA-256 {digest}, not {initial.sha256}")
    if earlier.told_up_to:
        raise UserError(
            f"training.initial: {path} is told times up to {earlier.told_up_to}; trainings tell their networks t itself"
        )
    values = _compared(earlier)
    for spec in specs:
        for key, value in _compared(spec).items():
            if values[key] != value:
                raise UserError(f"training.initial: {path} has {key} {values[key]}, where a training has {value}")
    return network


def _compared(spec: NetworkSpec) -> dict[str, Any]:
    """What must agree of a network and one whose weights it starts from."""
    images = {"channels of images": spec.dataset.channels, "task": spec.task.model_dump()}
    return spec.network.model_dump(exclude={"dropout"}) | images


CLIP_BELOW_LAMBDA = -6.0
"""Lambda at t_max below which an x_0 from predicted noise means little: alpha is under 0.0025, as under cosine."""


def starts_at_high_noise(process: Process, lambda_start: float | None = None) -> bool:
    """Whether sampling starts where errors of the predicted noise become errors of x_0 that are 400 times as large.

    A predicted score is predicted noise, too.
    """
    return process.prediction.needs_signal and _first_lambda(process, lambda_start) < CLIP_BELOW_LAMBDA


def _first_lambda(process: Process, lambda_start: float | None) -> float:
    return float(process.schedule.lambda_(start(process.schedule, lambda_start)))


def process_of(spec: NetworkSpec) -> Process:
    """The diffusion process of a specification."""
    return make_process(spec.diffusion, spec.method, spec.dataset.resolution)


def make_predictor(network: Network, process: Process, clip_x0: bool = False) -> NoisePredictor:
    """The network as a noise predictor of the process."""
    return NoisePredictor(network, process.schedule, process.condition, clip_x0, process.prediction)


def load_predictor(
    weights: Path,
    device: torch.device,
    clip_x0: bool | str | None = None,
    task: str = "generation",
    lambda_start: float | None = None,
) -> tuple[NoisePredictor, NetworkSpec]:
    """The network of a weights file with its own schedule, timestep condition and prediction, and its specification.

    Args:
        weights: `weights.safetensors` of a training.
        device: where the network will be.
        clip_x0: clip each predicted x_0 to [-1, 1]; "auto": where `starts_at_high_noise` says so; None: nobody asked.
        task: what the network must have been trained for.
        lambda_start: where sampling starts, if t_max is noisier.

    Raises:
        UserError: the file is missing, damaged, no weights file of this project, or for another task.
    """
    network, spec = load_network(weights)
    if spec.task.name != task:
        raise UserError(f"{weights}: was trained for {spec.task.name}, not for {task}")
    process = process_of(spec)
    noisy = starts_at_high_noise(process, lambda_start)
    if clip_x0 is False and noisy:
        print(
            f"etsdm: {weights}: x_0 is not clipped, and sampling starts at lambda = "
            f"{_first_lambda(process, lambda_start):.1f}; images may be saturated: use clip_x0: auto",
            file=sys.stderr,
        )
    clipped = noisy if clip_x0 == "auto" else bool(clip_x0)
    return make_predictor(network.to(device), process, clipped), spec
