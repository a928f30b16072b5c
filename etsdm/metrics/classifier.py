"""A small image classifier, trained on a data set's own labels, as a feature extractor for small images.

Distances between its features are comparable within one data set and one classifier only; they are not FID.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from tqdm import tqdm

from etsdm.data.archive import Pixels, read_images
from etsdm.errors import UserError
from etsdm.models.weights import load_weights, save_weights
from etsdm.runtime.devices import to_device
from etsdm.runtime.files import read_json
from etsdm.runtime.finite import check_finite

HELD_OUT = 0.2
"""Part of the data set that measures the accuracy and is not trained on."""


class Classifier(nn.Module):
    """Strided 3x3 convolutions down to 4 px, doubling their channels at most twice, then two linear layers.

    Args:
        resolution: side of the images in pixels.
        channels: of the images.
        width: channels of the first layer.
        features: length of the penultimate layer.
        classes: number of classes.
    """

    def __init__(self, resolution: int, channels: int, width: int, features: int, classes: int) -> None:
        super().__init__()
        layers = [*_convolution(channels, width, stride=1)]
        wide = width
        for level in range(max(1, math.ceil(math.log2(resolution / 4)))):
            narrow, wide = wide, width * min(4, 2 ** (level + 1))
            layers += _convolution(narrow, wide, stride=2)
        self.encoder = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * wide, features), nn.SiLU()
        )
        self.head = nn.Linear(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """Images in [-1, 1], (B, C, H, W), to (B, features)."""
        encoded: Tensor = self.encoder(x)
        return encoded

    def forward(self, x: Tensor) -> Tensor:
        """Images in [-1, 1], (B, C, H, W), to logits (B, classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits


def _convolution(narrow: int, wide: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False), nn.BatchNorm2d(wide), nn.SiLU()]


def to_input(pixels: Tensor) -> Tensor:
    """uint8 images (B, H, W, C) as float images in [-1, 1], (B, C, H, W)."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def train_classifier(
    spec: dict[str, Any],
    images: Path,
    dataset: Path,
    out: Path,
    device: torch.device,
    progress: bool = True,
) -> dict[str, Any]:
    """Train on four fifths of a data set and write the weights to `out`.

    Everything random (initial weights, hold-out, order) follows from `spec["seed"]`.

    Args:
        spec: width, features, epochs, batch, learning_rate and seed.
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
    described = read_json(dataset)
    labels = described["labels"]
    if labels is None or len(set(labels)) < 2:
        lack = "no labels" if labels is None else "only one class"
        raise UserError(
            f"{dataset}: the data set has {lack}, so no classifier can be trained on it; use the encoder "
            "'inception' in evaluation.encoders"
        )
    generator = torch.Generator().manual_seed(spec["seed"])
    order = torch.randperm(len(labels), generator=generator)
    held_out, train = order.tensor_split([round(HELD_OUT * len(labels))])
    x, y = torch.from_numpy(read_images(images)), torch.tensor(labels)
    shape = {"resolution": x.shape[1], "channels": x.shape[3], "classes": int(y.max()) + 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec["seed"])
        network = Classifier(width=spec["width"], features=spec["features"], **shape).to(device)
    _fit(network, x[train], y[train], spec, generator, progress)
    guesses = [network(to_input(part.to(device))).argmax(1).cpu() for part in x[held_out].split(512)]
    accuracy = (torch.cat(guesses) == y[held_out]).double().mean().item()
    save_weights(out, network.state_dict(), {"classifier": spec, **shape})
    majority = y[held_out].bincount().max().item() / len(held_out)
    return {"accuracy": accuracy, "majority": majority, "held_out": len(held_out)}


def _fit(
    network: Classifier,
    x: Tensor,
    y: Tensor,
    spec: dict[str, Any],
    generator: torch.Generator,
    progress: bool,
) -> None:
    """AdamW on the cross-entropy; the learning rate rises to its peak and falls to zero (one cycle).

    Raises:
        UserError: a loss is not finite, which is looked at after each epoch.
    """
    device = network.head.weight.device
    batch = min(spec["batch"], len(x))
    steps = len(x) // batch
    optimizer = torch.optim.AdamW(network.parameters(), spec["learning_rate"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, spec["learning_rate"], total_steps=spec["epochs"] * steps)
    for epoch in tqdm(range(spec["epochs"]), "classifier", unit=" epochs", disable=not progress):
        losses = []
        for picked in torch.randperm(len(x), generator=generator)[: steps * batch].split(batch):
            loss = F.cross_entropy(network(to_input(x[picked].to(device))), y[picked].to(device))
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


def load_classifier(weights: Path, device: torch.device) -> Classifier:
    """The classifier that `train_classifier` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    tensors, spec = load_weights(weights)
    own = spec["classifier"]
    shape = {name: spec[name] for name in ("resolution", "channels", "classes")}
    network = Classifier(width=own["width"], features=own["features"], **shape)
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False).to(device)


def make_encoder(weights: Path, device: torch.device) -> Callable[[Pixels], Tensor]:
    """The penultimate layer of a classifier: uint8 images (B, H, W, C) to features (B, d)."""
    network = load_classifier(weights, device)
    return lambda pixels: network.features(to_input(to_device(pixels, device)))
