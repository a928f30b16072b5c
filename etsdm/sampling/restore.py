"""From low-resolution images to restored ones, by a conditional network."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from etsdm.data.archive import Pixels, write_images
from etsdm.data.maps import map_images
from etsdm.data.pixels import from_pixels, to_pixels
from etsdm.models.degradation import low_resolution
from etsdm.models.trained import load_predictor
from etsdm.runtime.devices import pick_device
from etsdm.runtime.digests import remembered
from etsdm.runtime.files import sha256
from etsdm.runtime.parts import Parts
from etsdm.runtime.processes import joined
from etsdm.runtime.stop import StopRequest
from etsdm.sampling.sample import default_batch, sample_batch
from etsdm.sampling.spec import RestorationSpec


def restore(
    weights: Path,
    images: Path,
    spec: RestorationSpec,
    out: Path,
    device: str = "auto",
    batch: int | None = None,
    progress: bool = True,
    fingerprint: str = "",
    minutes: float = 0,
) -> dict[str, Any]:
    """Lower the resolution of every image of an archive and restore it: `out/inputs.zip` and `out/restored.zip`.

    Image i depends on the weights, the solver, the seed and its low-resolution version alone. Every batch is computed
    at full size, the last one too.

    Args:
        weights: `weights.safetensors` of a training for super-resolution.
        images: the archive of true images.
        spec: the set of restored images.
        out: folder to write.
        device: `auto`, `cpu`, `cuda`, ...
        batch: images at a time; None: `default_batch`.
        progress: show a progress bar.
        fingerprint: digest of the code; batches made by other code are made again.
        minutes: time limit of the job, before which it stops; 0 for none.

    Returns:
        {"nfe", "images", "batch"}.

    Raises:
        UserError: a file can't be read, the network is none for super-resolution, more evaluations than timesteps are
            asked for, or an image is not finite.
        Interrupted: SIGTERM or SIGINT came, or the time is nearly up; finished batches are kept.
    """
    stop = StopRequest(minutes)
    solver, where = spec.solver, pick_device(device, stop)
    predict, trained = load_predictor(weights, where, solver.clip_x0, "super-resolution", solver.lambda_start)
    assert trained.factor  # a network of that task has one
    digest, factor = remembered(images), trained.factor
    pixels = map_images(images, digest)
    shape = (pixels.shape[3], *pixels.shape[1:3])
    size = batch or default_batch(shape, where)

    def inputs(start: int) -> Tensor:
        numbers = np.arange(start, start + size) % len(pixels)  # the last batch is filled up from the first images
        x0 = from_pixels(torch.from_numpy(pixels[numbers]).to(where))
        return low_resolution(x0, factor)

    def restored(number: int) -> Pixels:
        start = number * size
        predict.context = inputs(start)
        sampled = sample_batch(predict, solver, spec.seed, range(start, start + size), shape)
        bar.update(min(size, len(pixels) - start))
        return sampled[: len(pixels) - start]

    starts = range(0, len(pixels), size)
    with joined() as processes, stop:
        identity = (sha256(weights), digest, spec.json_values(), size, where.type, fingerprint)
        parts = Parts(out / "restored.zip", identity, len(starts), processes)
        hidden = not progress or processes.rank > 0
        with tqdm(total=len(pixels), desc="restore", unit=" images", disable=hidden) as bar:
            parts.make(restored, stop, lambda _: bar.update(size))
        if processes.rank == 0:
            lowered = (image for s in starts for image in to_pixels(inputs(s)).cpu().numpy()[: len(pixels) - s])
            write_images(out / "inputs.zip", lowered)
            write_images(out / "restored.zip", (image for part in parts for image in part))
    return {"nfe": solver.budget, "images": len(pixels), "batch": size}
