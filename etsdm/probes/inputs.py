"""What the probes share: the images and noise they look at, the same for every network, and their batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from etsdm.data.pixels import from_pixels
from etsdm.diffusion.schedules import Schedule
from etsdm.errors import UserError
from etsdm.runtime.batches import images_within
from etsdm.runtime.finite import check_finite

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from etsdm.models.spec import Images

BATCH_VALUES = 2**18
"""Pixel values in a batch."""


def even_images(archive: Path, count: int, dataset: Images) -> Tensor:
    """`count` images, or all if there are fewer, spread evenly over the archive: float32 (N, C, H, W) in [-1, 1].

    Raises:
        UserError: the archive is missing or damaged, or its images are not like those of `dataset`, the specification
            of what the network was trained on.
    """
    import torch

    from etsdm.data.archive import count_images, pick_images

    total = count_images(archive)
    numbers = np.linspace(0, total - 1, min(count, total)).astype(int).tolist()
    pixels = pick_images(archive, numbers)
    if pixels.shape[1:] != (dataset.resolution, dataset.resolution, dataset.channels):
        _, height, width, channels = pixels.shape
        raise UserError(
            f"{archive}: images of {width}x{height} pixels and {channels} channels, but the network was trained on "
            f"{dataset.resolution} pixels and {dataset.channels} channels; prepare them so"
        )
    return from_pixels(torch.from_numpy(pixels))


def fixed_noise(template: Tensor, stream: int) -> Tensor:
    """Standard normal noise in the shape of `template`, always the same for a number of the `stream`."""
    import torch

    return torch.randn(template.shape, generator=torch.Generator().manual_seed(stream))


def noised(schedule: Schedule, x0: Tensor, eps: Tensor, t: float) -> Tensor:
    """x_t = alpha_t x_0 + sigma_t eps.

    Raises:
        UserError: t lies outside the schedule's times.
    """
    if not schedule.t_min <= t <= schedule.t_max:
        raise UserError(
            f"t = {t:g} lies outside the times of the network's {schedule.name} schedule; allowed: "
            f"{schedule.t_min:g} to {schedule.t_max:g}"
        )
    from etsdm.diffusion.predictor import diffuse_to

    return diffuse_to(schedule, x0, eps, t)


def per_image(
    measure: Callable[..., Tensor], device: torch.device, *inputs: Tensor, label: str = "the values of a probe"
) -> Tensor:
    """`measure(*inputs)` computed in batches on `device`: float64 on the CPU, the first axis being the images'.

    Raises:
        UserError: a value is not finite; its message starts with `label`.
    """
    import torch

    from etsdm.runtime.devices import without_tf32

    batch = images_within(BATCH_VALUES, inputs[0].shape[1:])
    parts = zip(*(values.split(batch) for values in inputs), strict=True)
    with torch.inference_mode(), without_tf32():
        measured = torch.cat([measure(*(values.to(device) for values in part)).double().cpu() for part in parts])
    check_finite(measured, label, "train the network with a lower training.learning_rate")
    return measured


def mean_and_std(values: Tensor) -> tuple[float, float]:
    """Mean and standard deviation over images (N,); the latter is 0 for one image."""
    return values.mean().item(), values.std().item() if len(values) > 1 else 0.0
