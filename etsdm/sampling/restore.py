"""From low-resolution images to restored ones, by a conditional network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from etsdm.data.archive import Pixels, read_images, write_images
from etsdm.devices import pick_device
from etsdm.models.degradation import low_resolution
from etsdm.models.trained import load_predictor
from etsdm.sampling.sample import default_batch, sample_batch, to_pixels


def restore(
    weights: Path,
    images: Path,
    spec: dict[str, Any],
    out: Path,
    device: str = "auto",
    batch: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Lower the resolution of every image of an archive and restore it: `out/inputs.zip` and `out/restored.zip`.

    Image i depends on the weights, the solver, the seed and its low-resolution version alone. Every batch is computed
    at full size, the last one too.

    Args:
        weights: `weights.safetensors` of a training for super-resolution.
        images: the archive of true images.
        spec: {"solver": settings with one `nfe`, "seed": seed}.
        out: folder to write.
        device: `auto`, `cpu`, `cuda`, ...
        batch: images at a time; None: `default_batch`.
        progress: show a progress bar.

    Returns:
        {"nfe", "images", "batch"}.

    Raises:
        UserError: a file can't be read, or the network is none for super-resolution.
    """
    solver, where = spec["solver"], pick_device(device)
    predict, trained = load_predictor(weights, where, solver["clip_x0"], "super-resolution")
    pixels = read_images(images)
    shape = (pixels.shape[3], *pixels.shape[1:3])
    size = batch or default_batch(shape, where)

    def inputs(start: int) -> Tensor:
        numbers = np.arange(start, start + size) % len(pixels)  # the last batch is filled up from the first images
        x0 = torch.from_numpy(pixels[numbers]).permute(0, 3, 1, 2).float().to(where) / 127.5 - 1
        return low_resolution(x0, trained["task"]["factor"])

    def restored() -> Iterator[Pixels]:
        with tqdm(total=len(pixels), desc="restore", unit=" images", disable=not progress) as bar:
            for start in range(0, len(pixels), size):
                predict.context = inputs(start)
                made = sample_batch(predict, solver, spec["seed"], range(start, start + size), shape)
                bar.update(min(size, len(pixels) - start))
                yield from made[: len(pixels) - start]

    starts = range(0, len(pixels), size)
    write_images(out / "inputs.zip", (image for s in starts for image in to_pixels(inputs(s))[: len(pixels) - s]))
    write_images(out / "restored.zip", restored())
    return {"nfe": solver["nfe"], "images": len(pixels), "batch": size}
