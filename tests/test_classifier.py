"""The classifier whose features stand in for Inception's on small images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from digits import CLASSIFIER, digits, write_digits

from etsdm.data.archive import iterate_images
from etsdm.data.pixels import from_pixels
from etsdm.errors import UserError
from etsdm.metrics.encoders import classifier
from etsdm.metrics.encoders.classifier import load_classifier, logits_of, train_classifier
from etsdm.metrics.features import extract

CPU = torch.device("cpu")


def test_classifier_learns_digits_and_is_reproducible(tmp_path):
    images, dataset = write_digits(tmp_path, digits()[1])
    first, second = tmp_path / "a" / "weights.safetensors", tmp_path / "b" / "weights.safetensors"
    result = train_classifier(CLASSIFIER, images, dataset, first, CPU, progress=False)
    assert result["accuracy"] > 0.95 and result["held_out"] == 359
    assert 36 / 359 <= result["majority"] < 0.15, "of ten classes, nearly equally common"
    assert train_classifier(CLASSIFIER, images, dataset, second, CPU, progress=False) == result
    assert first.read_bytes() == second.read_bytes()

    network = load_classifier(first, CPU)
    features = extract(classifier.make_encoder(first, CPU), iterate_images(images, 33, 100))
    pixels = torch.from_numpy(digits()[0][:100])
    np.testing.assert_allclose(features, network["encoder"](from_pixels(pixels)), rtol=1e-4, atol=1e-5)
    assert features.shape == (100, 64)
    guesses = network["head"](torch.from_numpy(features)).argmax(1)
    assert (guesses == torch.tensor(digits()[1][:100])).double().mean() > 0.95


@pytest.mark.parametrize(("labels", "what"), [(None, "no labels"), ([3] * 1797, "only one class")])
def test_classifier_needs_labels(tmp_path, labels, what):
    images, dataset = write_digits(tmp_path, labels)
    with pytest.raises(UserError, match=f"{what}.*encoder without labels"):
        train_classifier(CLASSIFIER, images, dataset, tmp_path / "weights.safetensors", CPU)


@pytest.mark.parametrize("resolution", [4, 7, 32, 256])
def test_classifier_takes_any_resolution(resolution):
    network = classifier.make_network(resolution, channels=3, width=4, features=64, classes=5)
    pixels = torch.zeros(2, resolution, resolution, 3, dtype=torch.uint8)
    assert logits_of(network, from_pixels(pixels)).shape == (2, 5)
