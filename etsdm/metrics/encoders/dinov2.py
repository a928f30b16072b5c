"""DINOv2, a vision transformer that learned from images without labels. Its Frechet distance is FD-DINOv2."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import StringConstraints

from etsdm.data.sources import expanded
from etsdm.errors import UserError
from etsdm.metrics.encoders import inception
from etsdm.metrics.encoders.encoder import Encoder
from etsdm.runtime.download import download
from etsdm.runtime.files import atomic, sha256

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from etsdm.data.archive import Pixels
    from etsdm.metrics.encoders.inception import Network

URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth"
SIZE = (224, 224)
"""Height and width that Stein et al. and EDM2 take."""
SHAPE = {"width": 1024, "depth": 24, "heads": 16, "patch": 14, "side": 37}
"""Of ViT-L/14, pre-trained at 518 pixels."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, from 0 to 1."""


class DINOv2(Encoder):
    """DINOv2 ViT-L/14, whose Frechet distance is FD-DINOv2 (Stein et al. 2023)."""

    order: ClassVar[int] = 30
    length: ClassVar[int] = SHAPE["width"]
    file: ClassVar[str] = "dinov2_vitl14_pretrain.pth"
    timed: ClassVar[bool] = True
    work: ClassVar[float] = 14.0
    where: ClassVar[frozenset[str]] = frozenset({"weights"})
    about: ClassVar[Mapping[str, str]] = {
        "frechet": "FD-DINOv2: Frechet distance between features of DINOv2 ViT-L/14, images resized as by dgm-eval."
    }

    name: Literal["dinov2"]
    weights: str | None = None
    """A local copy of dinov2_vitl14_pretrain.pth, where `~` and `$SCRATCH` may stand; null: a download of 1.2 GB."""
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of that file, which is then verified; null: any file with the network's tensors is taken. `etsdm fetch`
    prints it."""

    def missing(self) -> str | None:
        """Why the local copy cannot be used."""
        if self.weights is None or Path(expanded(self.weights)).is_file():
            return None
        return f"no weights file {self.weights!r}; give an existing one or null"

    def local(self) -> Path | None:
        """The file that is given."""
        return Path(expanded(self.weights)) if self.weights else None


def make_weights(
    settings: DINOv2, out: Path, images: Path | None = None, device: torch.device | None = None, url: str = URL
) -> dict[str, Any]:
    """Put a copy of the network at `out`: of the file `weights` where one is given, else of a download.

    Returns:
        {"source", "sha256"}.

    Raises:
        UserError: the file is missing, can't be fetched, has another SHA-256, or is not the network.
    """
    digests = [settings.sha256] if settings.sha256 else []
    source = expanded(settings.weights) if settings.weights else url
    with atomic(out) as temporary:
        digest = _copied(Path(source), temporary, digests) if settings.weights else download(url, temporary, *digests)
        load_network(temporary, source)
    return {"source": source, "sha256": digest}


def _copied(source: Path, target: Path, digests: list[str]) -> str:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise UserError(f"{source}: cannot read the DINOv2 weights ({error.strerror}); get them from {URL}") from error
    digest = sha256(target)
    if digests and digest not in digests:
        raise UserError(f"{source}: not the expected file: its SHA-256 is {digest}, not {digests[0]}; fetch it again")
    return digest


def load_network(weights: Path, called: str | Path | None = None) -> torch.nn.Module:
    """The network in a file, in float32 on the CPU; no code in the file is run.

    Raises:
        UserError: the file, `called` so in the message, is missing or is not the network.
    """
    import torch

    from etsdm.metrics.encoders._vit import VisionTransformer

    try:
        with torch.device("meta"):
            network = VisionTransformer(**SHAPE)
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
        network.load_state_dict(tensors, assign=True)
    except (OSError, EOFError, RuntimeError, TypeError, ValueError, KeyError, UnpicklingError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{called or weights}: not the weights of DINOv2 ViT-L/14 ({first}); get them from {URL}"
        ) from None
    return network.float().eval()


def resized(pixels: Tensor) -> Tensor:
    """uint8 images (B, H, W, C), C of 1 or 3, at the network's size, (B, 3, 224, 224), whole numbers in [0, 255].

    This is Pillow's bicubic filter, as in dgm-eval, within one grey level: Pillow rounds and clips after each axis.
    """
    wide = inception.resized(pixels, (pixels.shape[1], SIZE[1])).round()
    return inception.resized(wide.permute(0, 2, 3, 1), SIZE).round()


def normalised(network: torch.nn.Module, device: torch.device) -> Network:
    """The network for images in [0, 255]."""
    import torch

    mean, std = (255 * torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return lambda x: network((x - mean) / std)


def make_encoder(weights: Path, device: torch.device) -> Callable[[Pixels], Tensor]:
    """The network behind its resizing: uint8 images (B, H, W, C) to features (B, 1024)."""
    return inception.encoder_of(normalised(load_network(weights).to(device), device), device, resized)


def untrained(device: torch.device) -> tuple[Callable[[Pixels], Tensor], int]:
    """An encoder of this layout that was never trained, and how many images to time it by."""
    from etsdm.metrics.encoders._vit import VisionTransformer

    network = normalised(VisionTransformer(**SHAPE).to(device).eval(), device)
    return inception.encoder_of(network, device, resized), inception.images_to_time(device)
