"""A small image classifier, trained on a data set's own labels, as a feature extractor for small images.

Distances between its features are comparable within one data set and one classifier only; they are not FID.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from etsdm.config.strict import Real
from etsdm.data.pixels import from_pixels
from etsdm.errors import UserError
from etsdm.metrics.encoders.encoder import Encoder
from etsdm.runtime.files import read_json
from etsdm.runtime.finite import check_finite

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from etsdm.data.archive import Pixels

HELD_OUT = 0.2
"""Part of the data set that measures the accuracy and is not trained on."""


class Classifier(Encoder):
    """A small CNN that the workflow trains on the data set's own labels. Its distances are not FID."""

    order: ClassVar[int] = 10
    length: ClassVar[int] = 64
    needs_labels: ClassVar[bool] = True
    about: ClassVar[Mapping[str, str]] = {
        "frechet": "Frechet distance between features of a small classifier that this workflow trained on "
        "the data set's own labels. It is not FID and cannot be compared with any FID.",
        "kernel": "Kernel distance between features of that classifier. It is not KID.",
    }

    name: Literal["classifier"]
    width: int = Field(ge=1, le=4096)
    """Channels of the first layer."""
    features: Literal[64] = 64
    """Length of the feature vector."""
    epochs: int = Field(ge=1, le=1_000_000)
    """Passes over the training images."""
    batch: int = Field(ge=1, le=1_000_000)
    """Images a step."""
    learning_rate: Real = Field(gt=0)
    """Peak learning rate."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of its initialisation, order and hold-out."""


def make_weights(settings: Classifier, out: Path, images: Path | None, device: torch.device | None) -> dict[str, Any]:
    """Train on the images of a data set, beside which lies `dataset.json`; see `train_classifier`.

    Raises:
        UserError: there are no images; or see `train_classifier`.
    """
    if images is None or device is None:
        raise UserError("encoder: the classifier is trained on a data set; give its images.zip with --data")
    return train_classifier(settings, images, images.with_name("dataset.json"), out, device)


def make_network(resolution: int, channels: int, width: int, features: int, classes: int) -> nn.ModuleDict:
    """The network: strided 3x3 convolutions down to 4 px, then two linear layers.

    The convolutions double their channels at most twice.

    Args:
        resolution: side of the images in pixels.
        channels: of the images.
        width: channels of the first layer.
        features: length of the penultimate layer.
        classes: number of classes.

    Returns:
        Its "encoder", from images in [-1, 1], (B, C, H, W), to features (B, features), and its "head", from there to
        logits (B, classes).
    """
    from torch import nn

    layers = [*_convolution(channels, width, stride=1)]
    wide = width
    for level in range(max(1, math.ceil(math.log2(resolution / 4)))):
        narrow, wide = wide, width * min(4, 2 ** (level + 1))
        layers += _convolution(narrow, wide, stride=2)
    encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * wide, features), nn.SiLU())
    return nn.ModuleDict({"encoder": encoder, "head": nn.Linear(features, classes)})


def logits_of(network: nn.ModuleDict, x: Tensor) -> Tensor:
    """Images in [-1, 1], (B, C, H, W), to logits (B, classes)."""
    logits: Tensor = network["head"](network["encoder"](x))
    return logits


def _convolution(narrow: int, wide: int, stride: int) -> list[nn.Module]:
    from torch import nn

    return [nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False), nn.BatchNorm2d(wide), nn.SiLU()]


def train_classifier(
    settings: Classifier,
    images: Path,
    dataset: Path,
    out: Path,
    device: torch.device,
    progress: bool = True,
) -> dict[str, Any]:
    """Train on four fifths of a data set and write the weights to `out`.

    Everything random (initial weights, hold-out, order) follows from the seed.

    Args:
        settings: of the network and its training.
        images: the data set's archive.
        dataset: its description, `dataset.json`.
        out: the weights file.
        device: where to train.
        progress: show a progress bar.

    Returns:
        {"accuracy", "majority", "held_out"}: the part of the held-out images classified rightly, the part in their
        most common class, and their number.

    Raises:
        UserError: the data set has no labels, or a single class; or the training diverged.
    """
    import torch

    from etsdm.data.archive import read_images
    from etsdm.models.weights import save_weights

    described = read_json(dataset)
    labels = described["labels"]
    if labels is None or len(set(labels)) < 2:
        lack = "no labels" if labels is None else "only one class"
        raise UserError(
            f"{dataset}: the data set has {lack}, so no classifier can be trained on it; use an "
            "encoder without labels in evaluation.encoders"
        )
    generator = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(labels), generator=generator)
    held_out, train = order.tensor_split([round(HELD_OUT * len(labels))])
    x, y = torch.from_numpy(read_images(images)), torch.tensor(labels)
    shape = {"resolution": x.shape[1], "channels": x.shape[3], "classes": int(y.max()) + 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = make_network(width=settings.width, features=settings.features, **shape).to(device)
    _fit(network, x[train], y[train], settings, generator, progress)
    guesses = [logits_of(network, from_pixels(part.to(device))).argmax(1).cpu() for part in x[held_out].split(512)]
    accuracy = (torch.cat(guesses) == y[held_out]).double().mean().item()
    save_weights(out, network.state_dict(), {"classifier": settings.model_dump(), **shape})
    majority = y[held_out].bincount().max().item() / len(held_out)
    return {"accuracy": accuracy, "majority": majority, "held_out": len(held_out)}


def _fit(
    network: nn.ModuleDict,
    x: Tensor,
    y: Tensor,
    settings: Classifier,
    generator: torch.Generator,
    progress: bool,
) -> None:
    """AdamW on the cross-entropy; the learning rate rises to its peak and falls to zero (one cycle).

    Raises:
        UserError: a loss is not finite, which is looked at after each epoch.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812
    from tqdm import tqdm

    device = next(network.parameters()).device
    batch = min(settings.batch, len(x))
    steps = len(x) // batch
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate)
    total = settings.epochs * steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=total)
    for epoch in tqdm(range(settings.epochs), "classifier", unit=" epochs", disable=not progress):
        losses = []
        for picked in torch.randperm(len(x), generator=generator)[: steps * batch].split(batch):
            loss = F.cross_entropy(logits_of(network, from_pixels(x[picked].to(device))), y[picked].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        check_finite(
            torch.stack(losses),
            f"the classifier's training diverged: losses of the steps of epoch {epoch + 1}",
            "lower learning_rate in evaluation.encoders",
        )
    network.eval().requires_grad_(False)


def load_classifier(weights: Path, device: torch.device) -> nn.ModuleDict:
    """The network that `train_classifier` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    from etsdm.models.weights import load_weights

    tensors, spec = load_weights(weights)
    own = spec["classifier"]
    shape = {name: spec[name] for name in ("resolution", "channels", "classes")}
    network = make_network(width=own["width"], features=own["features"], **shape)
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False).to(device)


def make_encoder(weights: Path, device: torch.device) -> Callable[[Pixels], Tensor]:
    """The penultimate layer of a classifier: uint8 images (B, H, W, C) to features (B, d)."""
    from etsdm.runtime.devices import to_device

    encoder = load_classifier(weights, device)["encoder"]
    return lambda pixels: encoder(from_pixels(to_device(pixels, device)))
