"""From an image archive to one feature vector an image: computed once, used by every distance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from etsdm.data.archive import Pixels, count_images, iterate_ahead, pieces
from etsdm.errors import UserError
from etsdm.metrics.encoders import ENCODERS
from etsdm.metrics.store import save_features
from etsdm.runtime.devices import pick_device, without_tf32
from etsdm.runtime.digests import remembered
from etsdm.runtime.files import sha256
from etsdm.runtime.finite import check_finite
from etsdm.runtime.parts import Parts
from etsdm.runtime.processes import joined
from etsdm.runtime.stop import StopRequest

Encode = Callable[[Pixels], Tensor]
"""uint8 images (B, H, W, C), C of 1 or 3, to features (B, d)."""


PART = 1024
"""Images a part of the work: what an interruption can cost."""
CPU_BATCH, GPU_BATCH = 64, 256


def default_batch(device: torch.device) -> int:
    """Images a batch, a function of the kind of device alone."""
    return GPU_BATCH if device.type == "cuda" else CPU_BATCH


@torch.inference_mode()
def extract(encode: Encode, batches: Iterable[Pixels], progress: tqdm | None = None) -> NDArray[np.float32]:
    """Features (N, d) of all images in the batches, each (B, H, W, C). A GPU is waited for once, at the end."""
    blocks = []
    with without_tf32():
        for pixels in batches:
            blocks.append(encode(pixels).float())
            if progress is not None:
                progress.update(len(pixels))
    return torch.cat(blocks).cpu().numpy()


def extract_features(
    encoder: str,
    weights: Path,
    images: Path,
    out: Path,
    count: int | None = None,
    device: str = "auto",
    batch: int | None = None,
    progress: bool = True,
    fingerprint: str = "",
    minutes: float = 0,
) -> dict[str, Any]:
    """Write the features of the first `count` images (None: of all) of an archive to `out`.

    It goes on with what an earlier attempt has left; under torchrun, the processes share the images.

    Args:
        encoder: name of the encoder.
        weights: its weights file.
        images: the archive.
        out: the feature file, `features.npz`.
        count: images to use; None: all.
        device: `auto`, `cpu`, `cuda`, ...
        batch: images at a time; None: as many as suit the device.
        progress: show a progress bar.
        fingerprint: digest of the code; what other code has extracted is extracted again.
        minutes: time limit of the job, before which it stops; 0 for none.

    Returns:
        {"count", "digest"}, the digest being the archive's SHA-256.

    Raises:
        UserError: there is no such encoder, the weights can't be used, the archive is missing, damaged or too small, or
            a feature is not finite.
        Interrupted: SIGTERM or SIGINT came, or the time is nearly up; finished parts are kept.
    """
    stop = StopRequest(minutes)
    where = pick_device(device, stop)
    encode = ENCODERS.load(encoder).make_encoder(weights, where)
    available = count_images(images)
    needed = available if count is None else count
    if available < needed:
        raise UserError(f"{images}: holds {available} images, but {needed} are needed; make the rest of them")
    digest, batch = remembered(images), batch or default_batch(where)
    with joined() as processes, stop:
        identity = (encoder, sha256(weights), digest, needed, batch, where.type, fingerprint)
        cut = [pieces(part, batch) for part in pieces(range(needed), PART)]
        parts = Parts(out, identity, len(cut), processes)
        # One iterator for all parts: an archive takes long to open, and the next part's images can be decoded by now.
        pixels = iterate_ahead(images, [numbers for missing in parts.missing() for numbers in cut[missing]])
        bar = tqdm(total=needed, desc="features", unit=" images", disable=not progress or processes.rank > 0)
        with closing(pixels), bar:

            def part(number: int) -> NDArray[np.float32]:
                features = extract(encode, islice(pixels, len(cut[number])), bar)
                first = number * PART
                which = f"{images}: {encoder} features of images {first} to {first + len(features) - 1}"
                check_finite(features, which, "train the encoder again")
                return features

            parts.make(part, stop, lambda _: bar.update(PART))
        if processes.rank == 0:
            save_features(out, np.concatenate(list(parts)), digest)
    return {"count": needed, "digest": digest}
