"""DINOv2's features against a formula of their own, and its resizing against Pillow's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from etsdm.errors import UserError
from etsdm.metrics.encoders import ENCODERS, dinov2
from etsdm.metrics.encoders._vit import VisionTransformer
from etsdm.metrics.encoders.dinov2 import DINOv2, make_encoder, make_weights
from etsdm.metrics.names import description, metric_name
from etsdm.runtime.files import sha256

CPU = torch.device("cpu")
SMALL = {"width": 24, "depth": 2, "heads": 3, "patch": 14, "side": 5}
SETTINGS = DINOv2(name="dinov2")


def random_network(shape: dict[str, int] = SMALL) -> VisionTransformer:
    """A network whose tensors are all drawn, so that each of them counts."""
    network = VisionTransformer(**shape).eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in network.parameters():
        tensor.data = 0.3 * torch.randn(tensor.shape, generator=generator)
    return network


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    """The weights of a small network, which is taken for the large one."""
    monkeypatch.setattr(dinov2, "SHAPE", SMALL)
    torch.save(random_network().state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


# The network


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' kernel with a = -0.75."""
    x, a = abs(distance), -0.75
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def resizing(new: int, old: int) -> np.ndarray:
    """The matrix (new, old) of bicubic resizing by the factor (new + 0.1) / old, with the border repeated."""
    places = (np.arange(new) + 0.5) * old / (new + 0.1) - 0.5
    matrix = np.zeros((new, old))
    for i, place in enumerate(places):
        for j in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            matrix[i, np.clip(j, 0, old - 1)] += cubic(np.array(place - j))
    return matrix


def normal(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * weight + bias


def features_of(tensors: dict[str, np.ndarray], image: np.ndarray, heads: int, side: int) -> np.ndarray:
    """Features (d,) of an image (3, H, W) in float64, token by token and head by head."""

    def layer(x: np.ndarray, name: str) -> np.ndarray:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return normal(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    rows, columns = image.shape[1] // 14, image.shape[2] // 14
    kernel, d = tensors["patch_embed.proj.weight"], tensors["cls_token"].shape[-1]
    stored = tensors["pos_embed"][0, 1:].reshape(side, side, d)
    places = stored
    if (rows, columns) != (side, side):
        places = np.einsum("ij,kl,jld->ikd", resizing(rows, side), resizing(columns, side), stored)
    tokens = [tensors["cls_token"][0, 0] + tensors["pos_embed"][0, 0]]
    for i in range(rows):
        for j in range(columns):
            patch = image[:, 14 * i : 14 * i + 14, 14 * j : 14 * j + 14]
            tokens.append((kernel * patch).sum((1, 2, 3)) + tensors["patch_embed.proj.bias"] + places[i, j])
    x = np.stack(tokens)
    for block in (f"blocks.{i}" for i in range(SMALL["depth"])):
        qkv, mixed = layer(norm(x, f"{block}.norm1"), f"{block}.attn.qkv"), []
        for head in range(heads):
            part = slice(head * d // heads, (head + 1) * d // heads)
            query, key, value = (each[:, part] for each in np.split(qkv, 3, axis=1))
            likeness = np.exp(query @ key.T / np.sqrt(d / heads))
            mixed.append(likeness / likeness.sum(1, keepdims=True) @ value)
        x = x + tensors[f"{block}.ls1.gamma"] * layer(np.hstack(mixed), f"{block}.attn.proj")
        hidden = torch.from_numpy(layer(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1"))
        hidden = (hidden * (1 + torch.erf(hidden / 2**0.5)) / 2).numpy()
        x = x + tensors[f"{block}.ls2.gamma"] * layer(hidden, f"{block}.mlp.fc2")
    return norm(x, "norm")[0]


@pytest.mark.parametrize(("height", "width"), [(70, 70), (28, 28), (112, 112), (42, 98)])
def test_features_are_those_of_a_vision_transformer(height, width):
    """At the size that positions are stored for, and at others, to which they are resized."""
    network = random_network()
    tensors = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    image = torch.randn(3, height, width, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = network(torch.stack([image, image + 1]))[0]
    expected = features_of(tensors, image.double().numpy(), SMALL["heads"], SMALL["side"])
    np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-5)
    assert abs(expected).max() > 0.3


def test_the_large_network_has_the_published_tensors():
    """Names and sizes of some, and the number of all: four bytes of each, and names, are the file's 1,217,586,395."""
    with torch.device("meta"):
        tensors = VisionTransformer(**dinov2.SHAPE).state_dict()
    assert len(tensors) == 343 and sum(tensor.numel() for tensor in tensors.values()) == 304_368_640
    assert tensors["pos_embed"].shape == (1, 1370, 1024)
    assert tensors["patch_embed.proj.weight"].shape == (1024, 3, 14, 14)
    assert tensors["blocks.23.mlp.fc1.weight"].shape == (4096, 1024)
    assert tensors["blocks.0.ls1.gamma"].shape == tensors["mask_token"][0].shape == (1024,)


# Images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (32, 32), (64, 48), (224, 224), (256, 256), (600, 500)])
def test_images_are_resized_as_by_pillow(size, channels):
    """Noise has the steepest edges. Values differ by one grey level at most, and few do."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, *size, channels), dtype=np.uint8)
    ours = dinov2.resized(torch.from_numpy(pixels))
    colours = [Image.fromarray(image.squeeze()).convert("RGB") for image in pixels]
    theirs = np.stack([np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC)) for image in colours])
    gap = abs(ours.permute(0, 2, 3, 1).numpy() - theirs)
    assert ours.shape == (2, 3, 224, 224) and gap.max() <= 1 and gap.mean() < 0.01


def test_an_encoder_normalises_the_colours(weights):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), dtype=np.uint8)
    x = dinov2.resized(torch.from_numpy(pixels)) / 255
    colours = zip(x.unbind(1), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    with torch.inference_mode():
        expected = random_network()(torch.stack([(colour - mean) / std for colour, mean, std in colours], 1))
    torch.testing.assert_close(make_encoder(weights, CPU)(pixels), expected, rtol=0, atol=1e-5)


# Weights


def test_weights_are_copied_and_their_digest_is_noted(tmp_path, weights):
    digest, out = sha256(weights), tmp_path / "out" / "weights.pth"
    for settings in (DINOv2(name="dinov2", weights=str(weights)), SETTINGS):
        url = weights.as_uri()
        origin = make_weights(settings, out, url=url)
        assert origin == {"source": settings.weights or url, "sha256": digest} and sha256(out) == digest
    assert make_weights(DINOv2(name="dinov2", sha256=digest), out, url=weights.as_uri())["sha256"] == digest


@pytest.mark.parametrize("local", [True, False])
def test_another_file_is_refused(tmp_path, weights, local):
    out, other = tmp_path / "out" / "weights.pth", "0" * 64
    settings = {"name": "dinov2"} | ({"weights": str(weights)} if local else {})
    with pytest.raises(UserError, match=f"its SHA-256 is {sha256(weights)}, not {other}"):
        make_weights(DINOv2.model_validate(settings | {"sha256": other}), out, url=weights.as_uri())
    for content in ({"cls_token": torch.zeros(1, 1, 24)}, [1, 2], random_network(SMALL | {"side": 6}).state_dict()):
        torch.save(content, weights)
        with pytest.raises(UserError, match=r"weights\.pth: not the weights of DINOv2 ViT-L/14"):
            make_weights(DINOv2.model_validate(settings), out, url=weights.as_uri())
    assert not out.exists()


def test_a_missing_file_is_refused_before_anything_runs():
    assert "no weights file 'no.pth'" in str(DINOv2(name="dinov2", weights="no.pth").missing())
    assert SETTINGS.missing() is None
    with pytest.raises(ValidationError, match="sha256"):
        DINOv2(name="dinov2", sha256="abc")


def test_its_frechet_distance_is_fd_dinov2():
    assert ENCODERS["dinov2"].length == 1024
    assert metric_name("frechet", "dinov2", 50_000) == "fd-dinov2-50k"
    assert description("fd-dinov2-50k").startswith("FD-DINOv2: Frechet distance")
