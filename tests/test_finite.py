"""Numbers that are not finite are refused where they are read and where they are made, and nothing is written."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from configs import tiny
from safetensors.torch import save_file
from torch import Tensor
from trained import model_spec
from typed import build_network, restore, sample, train

from etsdm.data.archive import write_images
from etsdm.errors import UserError
from etsdm.metrics.encoders.classifier import Classifier, make_network, train_classifier
from etsdm.metrics.features import extract_features
from etsdm.metrics.store import load_features, save_features
from etsdm.models.weights import load_weights, save_weights
from etsdm.plan.reading import parse_solver
from etsdm.probes import PROBES
from etsdm.runtime.files import read_json, write_json
from etsdm.runtime.finite import check_finite

CPU = torch.device("cpu")
DDIM: dict[str, Any] = parse_solver({"name": "ddim", "nfe": [3]}).model_dump(exclude_none=True) | {"nfe": 3}
RESTORING = {"name": "super-resolution", "factor": 2}
HUGE = 3e38
"""Finite in float32, but not when it is doubled."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of noise, of two classes."""
    folder = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), dtype=np.uint8)
    write_images(folder / "images.zip", pixels)
    write_json(folder / "dataset.json", {"labels": [0, 1] * 5})
    return folder / "images.zip"


def overflowing(path: Path, **changes: Any) -> Path:
    """Weights that are finite, of a network whose output is not."""
    spec = model_spec("ddpm") | changes
    tensors = build_network(spec).state_dict()
    save_weights(path, tensors | {"out.2.weight": torch.full_like(tensors["out.2.weight"], HUGE)}, spec)
    return path


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["array", "tensor"])
def test_what_is_not_finite_is_counted_and_placed(kind: Callable[..., Any], wrong: float) -> None:
    check_finite(kind([[1.0, -HUGE], [0.0, 3.0]]), "these", "")
    check_finite(kind([1, 2]), "whole numbers", "")
    check_finite(kind([]), "none at all", "")
    with pytest.raises(UserError, match=r"^mine: 2 of 4 values are not finite, the first at \[0, 1\]; do this$"):
        check_finite(kind([[1.0, wrong], [wrong, 3.0]]), "mine", "do this")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"count": torch.tensor(3), "mean": torch.ones(4, dtype=dtype), "scale": torch.ones(2, 2, dtype=dtype)}
    save_weights(tmp_path / "fine", tensors, {})
    assert load_weights(tmp_path / "fine")[0].keys() == tensors.keys()
    tensors["scale"][1, 0] = torch.nan
    expected = r"scale: 1 of 4 values are not finite, the first at \[1, 0\]"
    with pytest.raises(UserError, match=expected):
        save_weights(tmp_path / "made", tensors, {})
    assert not (tmp_path / "made").exists()
    save_file(tensors, tmp_path / "read", metadata={"spec": "{}"})
    with pytest.raises(UserError, match=rf"read: {expected}"):
        load_weights(tmp_path / "read")


def test_images_that_are_not_finite_are_no_pixels(tmp_path: Path) -> None:
    weights, out = overflowing(tmp_path / "weights"), tmp_path / "samples.zip"
    with pytest.raises(UserError, match=r"images 0 to 4, by ddim in 3 evaluations: .* not finite"):
        sample(weights, {"solver": DDIM, "samples": 5, "seed": 0}, out, "cpu", batch=5, progress=False)
    assert not out.exists()


def test_restored_images_that_are_not_finite_are_no_pixels(tmp_path: Path, images: Path) -> None:
    weights = overflowing(tmp_path / "weights", task=RESTORING)
    with pytest.raises(UserError, match=r"images 0 to 9, by ddim in 3 evaluations: .* not finite"):
        restore(weights, images, {"solver": DDIM, "seed": 0}, tmp_path, "cpu", batch=10, progress=False)
    assert not (tmp_path / "restored.zip").exists()


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("lipschitz", {"fine_step": 10, "fine_until": 20, "coarse_step": 20, "coarse_until": 20}, r"K\(0, 10\)"),
        ("stability", {"t": 100, "stds": [0.1], "nfe": 2}, "the predicted x_0 at t = 100"),
        ("mismatch", {"t": [45], "offsets": [5]}, "the error of x_0 at t = 45, with an offset of 0"),
        ("x-lipschitz", {"t": [45], "iterations": 2}, "the constant in x of each image at t = 45"),
        ("solver-error", {"solvers": [DDIM | {"nfe": [2]}], "reference_nfe": 60}, "reference of 60 evaluations"),
    ],
)
def test_what_a_probe_measures_is_finite(
    tmp_path: Path, images: Path, name: str, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=rf"{message}.* not finite"):
        settings = PROBES.read({"probe": name, "images": 2} | spec)
        PROBES.load(name).probe(overflowing(tmp_path / "weights"), images, settings, "cpu", progress=False)


def test_features_that_are_not_finite_are_neither_made_nor_read(tmp_path: Path, images: Path) -> None:
    shape = {"resolution": 8, "channels": 1, "classes": 2}
    tensors: dict[str, Tensor] = make_network(width=4, features=64, **shape).state_dict()
    for name in [name.removesuffix("running_mean") for name in tensors if name.endswith("running_mean")]:
        tensors[f"{name}bias"].fill_(10)  # so that every activation is positive
    last = next(name for name in reversed(tensors) if name.startswith("encoder") and name.endswith("weight"))
    tensors[last].fill_(HUGE)
    save_weights(tmp_path / "weights", tensors, {"classifier": {"width": 4, "features": 64}, **shape})
    out = tmp_path / "features.npz"
    with pytest.raises(UserError, match=r"classifier features of images 0 to 9: .* not finite"):
        extract_features("classifier", tmp_path / "weights", images, out, device="cpu", progress=False)
    assert not out.exists()
    features = np.ones((70, 64), np.float32)
    features[3, 1] = np.inf
    save_features(out, features, "digest")
    with pytest.raises(UserError, match=r"features: 1 of 4480 values are not finite, the first at \[3, 1\]"):
        load_features(out)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, np.float64(-math.inf)])
def test_json_holds_no_number_that_is_not_finite(tmp_path: Path, wrong: float) -> None:
    value = {"n": 2, "points": [{"K": 1.0}, {"K": wrong}]}
    with pytest.raises(UserError, match=r"k\.json: points\[1\]\.K = -?(nan|inf) is not finite"):
        write_json(tmp_path / "k.json", value)
    assert not (tmp_path / "k.json").exists()
    write_json(tmp_path / "k.json", value | {"points": [None, {}, True]})
    assert read_json(tmp_path / "k.json") == {"n": 2, "points": [None, {}, True]}


def test_a_training_whose_last_step_overflows_writes_no_weights(tmp_path: Path, images: Path) -> None:
    """The loss of its only step is finite; what the step makes of the weights is not."""
    training = tiny(**{"training.images": 5, "training.batch": 5, "training.learning_rate": 1e39})["training"]
    spec = model_spec("ddpm") | {"training": training | {"warmup": 0}}
    with pytest.raises(UserError, match=r"averaged weights after 5 images: .* not finite"):
        train(spec, images, tmp_path, "cpu", progress=False)
    assert not (tmp_path / "weights.safetensors").exists()


def test_a_classifier_that_diverges_is_not_written(tmp_path: Path, images: Path) -> None:
    settings = Classifier(name="classifier", width=4, epochs=3, batch=4, learning_rate=1e30)
    with pytest.raises(UserError, match="losses of the steps of epoch 1: 1 of 2 values are not finite"):
        train_classifier(settings, images, images.with_name("dataset.json"), tmp_path / "weights", CPU, progress=False)
    assert not (tmp_path / "weights").exists()
