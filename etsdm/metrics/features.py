"""From an image archive to one feature vector an image: computed once, used by every distance."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from etsdm.data.archive import Pixels, count_images, iterate_images
from etsdm.devices import pick_device
from etsdm.errors import UserError
from etsdm.files import sha256
from etsdm.metrics.store import save_features

Encode = Callable[[Pixels], Tensor]
"""uint8 images (B, H, W, C), C of 1 or 3, to features (B, d)."""


@torch.inference_mode()
def extract(encode: Encode, images: Path, count: int, batch: int = 64, progress: bool = True) -> NDArray[np.float32]:
    """Features (count, d) of the first `count` images of an archive.

    Raises:
        UserError: the archive is missing, damaged, or holds fewer images.
    """
    held = count_images(images)
    if held < count:
        raise UserError(f"{images}: holds {held} images, but {count} are needed; make the rest of them")
    parts = []
    with (
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),  # the same number on a GPU as on a CPU
        tqdm(total=count, desc="features", unit=" images", disable=not progress) as bar,
    ):
        for pixels in iterate_images(images, batch, count):
            parts.append(encode(pixels).float().cpu().numpy())
            bar.update(len(parts[-1]))
    return np.concatenate(parts)


def extract_features(
    encoder: str,
    weights: Path,
    images: Path,
    out: Path,
    count: int | None = None,
    device: str = "auto",
    batch: int = 64,
    progress: bool = True,
) -> dict[str, Any]:
    """Write the features of the first `count` images (None: of all) of an archive to `out`.

    Args:
        encoder: `inception` or `classifier`: the module that makes it.
        weights: its weights file.
        images: the archive.
        out: the feature file, `features.npz`.
        count: images to use; None: all.
        device: `auto`, `cpu`, `cuda`, ...
        batch: images at a time.
        progress: show a progress bar.

    Returns:
        {"count", "digest"}, the digest being the archive's SHA-256.

    Raises:
        UserError: the weights can't be used, or the archive is missing, damaged or too small.
    """
    encode = importlib.import_module(f"etsdm.metrics.{encoder}").make_encoder(weights, pick_device(device))
    used = count_images(images) if count is None else count
    features = extract(encode, images, used, batch, progress)
    digest = sha256(images)
    save_features(out, features, digest)
    return {"count": used, "digest": digest}
