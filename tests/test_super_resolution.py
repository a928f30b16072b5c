"""The conditional network: trained, it makes of each low-resolution image the one that it was, on unseen images."""

import numpy as np
import pytest
import torch
from configs import every
from shared import shared
from skimage.metrics import peak_signal_noise_ratio
from trained import write_weights
from typed import restore, train

from etsdm.data.archive import read_images
from etsdm.data.prepare import prepare
from etsdm.errors import UserError
from etsdm.metrics.restoration import compare
from etsdm.models.degradation import low_resolution
from etsdm.plan.plan import make_plan
from etsdm.runtime.files import read_json


@pytest.fixture(scope="module")
def restored():
    """The folder of restored digits, and that of the true ones."""
    return shared("restored", restore_digits)


def restore_digits(folder):
    """Train super-resolution on the digits and restore those of the test split."""
    plan = make_plan(every(**{"training.images": 20_000, "training.learning_rate": 3e-3}), "test")
    model = next(run for run in plan.models.values() if run.spec["task"]["name"] == "super-resolution")
    spec = next(run for run in plan.restorations.values() if run.needs["model"] is model)
    for name, data in (("train", model.needs["data"]), ("test", spec.needs["test"])):
        prepare(data.spec, folder / name, progress=False)
    train(model.spec, folder / "train" / "images.zip", folder, "cpu", progress=False)
    solver = spec.spec | {"solver": spec.spec["solver"] | {"nfe": 10}}
    restore(folder / "weights.safetensors", folder / "test" / "images.zip", solver, folder, "cpu", progress=False)


def psnr(truth, images):
    return np.mean([peak_signal_noise_ratio(t, i) for t, i in zip(truth, images, strict=True)])


def test_every_test_image_is_restored_from_its_own_low_resolution(restored, tmp_path):
    """Not from another's: that is the context at work, after a short training."""
    truth, outputs = (read_images(restored / name) for name in ("test/images.zip", "restored.zip"))
    assert truth.shape == outputs.shape == (296, 8, 8, 1)
    assert psnr(truth, outputs) > psnr(np.roll(truth, 1, axis=0), outputs) + 2
    compare(restored / "restored.zip", restored / "test" / "images.zip", tmp_path / "scores.json")
    assert read_json(tmp_path / "scores.json")["values"]["psnr"] == pytest.approx(psnr(truth, outputs), abs=1e-9)


def test_the_inputs_are_the_test_images_at_low_resolution(restored):
    truth, low = (read_images(restored / name) for name in ("test/images.zip", "inputs.zip"))
    x0 = torch.from_numpy(truth).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = ((low_resolution(x0, 2) + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(expected - low).max() <= 1


def test_a_restored_image_does_not_depend_on_its_batch(restored, tmp_path):
    spec = {"solver": {"name": "ddim", "nfe": 10, "grid": "uniform", "denoise": True, "clip_x0": False, "eta": 0.0}}
    for size in (37, 200):
        restore(
            restored / "weights.safetensors",
            restored / "test" / "images.zip",
            spec | {"seed": 0},
            tmp_path / str(size),
            "cpu",
            size,
            progress=False,
        )
    first, other = (read_images(tmp_path / str(size) / "restored.zip").astype(int) for size in (37, 200))
    assert np.abs(first - other).max() <= 1


def test_a_network_for_generation_is_refused(restored, tmp_path):
    weights = write_weights(tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="was trained for generation, not for super-resolution"):
        restore(
            weights,
            restored / "test" / "images.zip",
            {"solver": {"name": "ddim", "nfe": 2}, "seed": 0},
            tmp_path,
            "cpu",
        )
