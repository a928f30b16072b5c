"""The time-Lipschitz constant of a trained network."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from etsdm.data.archive import read_images
from etsdm.devices import pick_device
from etsdm.diffusion.losses import diffuse
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.models.trained import load_predictor

BATCH_VALUES = 2**18


def pairs(spec: dict[str, Any]) -> list[tuple[int, int]]:
    """Pairs (t', t) with t' < t: fine steps near zero, coarse ones above, as in the paper's figure."""
    fine = range(spec["fine_step"], spec["fine_until"] + 1, spec["fine_step"])
    coarse = range(spec["coarse_step"], spec["coarse_until"] + 1, spec["coarse_step"])
    return [(t - spec["fine_step"], t) for t in fine] + [
        (t - spec["coarse_step"], t) for t in coarse if t > spec["fine_until"]
    ]


@torch.inference_mode()
def difference_quotients(predict: NoisePredictor, x0: Tensor, eps: Tensor, t_prime: int, t: int) -> Tensor:
    """|| eps(x_t, t) - eps(x_t, t') ||_2 / |t - t'| for each image, (B,) (Yang et al. 2024, section 3).

    The norm runs over all pixels and channels; both predictions are made at the same x_t.
    """
    level = torch.full((len(x0),), t)
    alpha = torch.as_tensor(predict.schedule.alphas)[level].to(x0)
    sigma = torch.as_tensor(predict.schedule.sigmas)[level].to(x0)
    x_t = diffuse(x0, eps, alpha, sigma)
    return (predict(x_t, t) - predict(x_t, t_prime)).flatten(1).norm(dim=1) / abs(t - t_prime)


def probe_lipschitz(
    weights: Path, images: Path, spec: dict[str, Any], device: str = "auto", progress: bool = True
) -> dict[str, Any]:
    """K(t, t') = E || eps(x_t, t) - eps(x_t, t') ||_2 / |t - t'| for each pair of times.

    The images are spread evenly over the archive, and they and their noise are the same for every network.

    Args:
        weights: `weights.safetensors` of a training.
        images: archive of clean images.
        spec: number of images, and the steps and ends of the pairs.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show a progress bar.

    Returns:
        {"n": images, "dimension": pixels times channels, "points": [{"t_prime", "t", "K", "K_std",
        "K_per_sqrt_dimension"}]}, with the standard deviation over images.

    Raises:
        UserError: a file can't be read.
    """
    where = pick_device(device)
    predict, _ = load_predictor(weights, where)
    pixels = read_images(images)
    chosen = pixels[np.linspace(0, len(pixels) - 1, min(spec["images"], len(pixels))).astype(int)]
    x0 = torch.from_numpy(chosen).permute(0, 3, 1, 2).float() / 127.5 - 1
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    dimension = x0[0].numel()
    batch = max(1, BATCH_VALUES // dimension)
    points = []
    for t_prime, t in tqdm(pairs(spec), "probe", unit=" pairs", disable=not progress):
        parts = [
            difference_quotients(predict, x.to(where), noise.to(where), t_prime, t).double().cpu()
            for x, noise in zip(x0.split(batch), eps.split(batch), strict=True)
        ]
        values = torch.cat(parts)
        mean = values.mean().item()
        points.append(
            {
                "t_prime": t_prime,
                "t": t,
                "K": mean,
                "K_std": values.std().item() if len(values) > 1 else 0.0,
                "K_per_sqrt_dimension": mean / math.sqrt(dimension),
            }
        )
    return {"n": len(x0), "dimension": dimension, "points": points}
