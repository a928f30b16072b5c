"""Feature files, and the names of encoders, distances and metrics."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from configs import tiny
from digits import CLASSIFIER, OF_CLASSIFIER, digits, write_digits

from etsdm.config.registry import Registry
from etsdm.data.archive import iterate_images
from etsdm.errors import UserError
from etsdm.metrics.distances import DISTANCES
from etsdm.metrics.encoders import ENCODERS, classifier
from etsdm.metrics.encoders.classifier import train_classifier
from etsdm.metrics.evaluation import Evaluation
from etsdm.metrics.features import extract, extract_features
from etsdm.metrics.names import description, distance_of, metric_name
from etsdm.metrics.score import score, summarise, summary_of
from etsdm.metrics.store import load_features, save_features
from etsdm.plan.plan import Plan
from etsdm.plan.reading import parse_config
from etsdm.report import metrics as report_metrics
from etsdm.runtime.files import read_json, sha256

CPU = torch.device("cpu")


def test_feature_file(tmp_path):
    images, dataset = write_digits(tmp_path, digits()[1])
    weights, out = tmp_path / "weights.safetensors", tmp_path / "features.npz"
    train_classifier(CLASSIFIER.model_copy(update={"epochs": 1}), images, dataset, weights, CPU, progress=False)
    record = extract_features("classifier", weights, images, out, 50, "cpu", progress=False)
    stored = load_features(out)
    assert record == {"count": 50, "digest": sha256(images)}
    assert stored.features.shape == (50, 64) and stored.digest == sha256(images)
    assert extract_features("classifier", weights, images, out, None, "cpu", progress=False)["count"] == 1797
    whole = load_features(out).features
    np.testing.assert_array_equal(whole[:50], stored.features)
    direct = extract(classifier.make_encoder(weights, CPU), iterate_images(images, 64))
    np.testing.assert_allclose(whole, direct, rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match="1797 images, but 1798"):
        extract_features("classifier", weights, images, out, 1798, "cpu", progress=False)


def test_damaged_feature_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="missing"):
        load_features(tmp_path / "missing.npz")
    save_features(tmp_path / "whole.npz", np.zeros((9, 4), np.float32), "digest")
    cut = tmp_path / "cut.npz"
    cut.write_bytes((tmp_path / "whole.npz").read_bytes()[:-60])
    with pytest.raises(UserError, match="make it again"):
        load_features(cut)


def of_ones_own(registry: Registry, source: str, monkeypatch) -> ModuleType:
    """Add a thing of a file outside the package, for the rest of the test."""
    module = ModuleType("of_ones_own")
    exec(compile(source, "own.py", "exec", dont_inherit=True), vars(module))
    things = registry.all()
    monkeypatch.setattr(registry, "_things", dict(things))
    registry.add(module)
    return module


DISTANCE = """
__name__ = "of_ones_own"
from etsdm.metrics.distances.distance import Distance
class Means(Distance):
    order, name, short, title, higher_is_better = 30, "means", "md", "distance of the means", True
    @staticmethod
    def fewest(length):
        return 7
    @staticmethod
    def summarise(real):
        return {"centre": real.mean(0)}
    @staticmethod
    def between(generated, real, summary):
        return float(abs(generated.mean(0) - summary["centre"]).sum())
"""
ENCODER = """
__name__ = "of_ones_own"
from typing import ClassVar, Literal
from etsdm.metrics.encoders.encoder import Encoder
class Pixels(Encoder):
    order: ClassVar[int] = 30
    length: ClassVar[int] = 16
    name: Literal["pixels"]
    scale: int = 2
"""


def test_a_distance_in_one_file_is_one_of_all(tmp_path, monkeypatch):
    of_ones_own(DISTANCES, DISTANCE, monkeypatch)
    features = [np.full((n, 64), n, np.float32) for n in (9, 8)]
    for name, values in zip("ab", features, strict=True):
        save_features(tmp_path / f"{name}.npz", values, name)
    summarise(tmp_path / "b.npz", ["means", "kernel"], "classifier", tmp_path / "r.npz")
    sets = tmp_path / "a.npz", tmp_path / "b.npz", tmp_path / "r.npz"
    values = score(*sets, ["means", "kernel"], "classifier", 9, tmp_path / "s.json", bootstrap=2)["values"]
    assert values["md-classifier-9"] == 64 and "kd-classifier-9" in values
    assert "bootstrap" not in read_json(tmp_path / "s.json"), "neither is bootstrapped"
    assert distance_of("md-classifier-9").higher_is_better and not distance_of("kd-classifier-9").judged
    evaluation = {"samples": 6, "encoders": ["inception"], "distances": ["means"]}
    with pytest.raises(ValueError, match=r"samples = 6 is too few: the distance of the means needs at least 7"):
        Evaluation.model_validate(evaluation)


TWINS = """
__name__ = "of_ones_own"
from etsdm.metrics.distances.distance import Distance
calls = []
class First(Distance):
    order, name, short, title = 30, "first", "first", "first distance"
    about, unit, higher_is_better = "Share of the images", "", True
    @staticmethod
    def summarise(real):
        calls.append(real)
        return {"centre": real.mean(0)}
class Second(First):
    name, short = "second", "second"
class Third(First):
    name, short = "third", "third"
    @staticmethod
    def summarise(real):
        return {"centre": real.mean(0)}
"""


def test_distances_with_one_summary_share_it_and_others_have_names_of_their_own(monkeypatch):
    calls = of_ones_own(DISTANCES, TWINS, monkeypatch).calls
    assert summary_of(np.eye(3), ["first", "second"]).keys() == {"centre"}
    assert len(calls) == 1, "it is made once"
    with pytest.raises(ValueError, match="third: another distance keeps centre of a reference already"):
        summary_of(np.eye(3), ["first", "third"])


def test_the_report_knows_of_a_share_what_its_file_says(monkeypatch):
    of_ones_own(DISTANCES, TWINS, monkeypatch)
    share = report_metrics.of.__wrapped__("first-classifier-9")
    assert (share.better, share.unit) == ("higher", "")
    assert share.description == "Share of the images, in features of the encoder classifier."


def test_an_encoder_in_one_file_is_one_of_all(monkeypatch):
    of_ones_own(ENCODERS, ENCODER, monkeypatch)
    changes = {"evaluation.encoders": ["inception", "pixels", {"name": "classifier", **OF_CLASSIFIER}]}
    plan = Plan(parse_config(tiny(**changes | {"evaluation.distances": ["kernel"]}), "test"))
    inception_path, pixels_path, trained = plan.encoders
    assert inception_path == "encoders/inception" and pixels_path.startswith("encoders/pixels-")
    assert trained.startswith("encoders/digits/classifier-")
    assert metric_name("frechet", "pixels", 1000) == "fd-pixels-1k"
    assert description("fd-pixels-1k") == "Frechet distance between features of the encoder pixels."


def test_every_metric_has_a_name_that_tells_its_distance():
    metrics = {metric_name(d, e, 50_000): d for d in DISTANCES.names() for e in ENCODERS.names()}
    assert len(metrics) == len(DISTANCES.names()) * len(ENCODERS.names())
    assert {name: distance_of(name).name for name in metrics} == metrics


def test_metrics_of_the_paper_keep_their_names():
    names = {(d, e): metric_name(d, e, 50_000) for d in ("frechet", "kernel") for e in ("inception", "classifier")}
    assert names == {
        ("frechet", "inception"): "fid-clean-inception-50k",
        ("kernel", "inception"): "kid-clean-inception-50k",
        ("frechet", "classifier"): "fd-classifier-50k",
        ("kernel", "classifier"): "kd-classifier-50k",
    }
    assert metric_name("kernel", "classifier", 500) == "kd-classifier-500"
    assert [distance_of(name).name for name in names.values()] == [d for d, _ in names]
    assert description("fid-clean-inception-10k").startswith("FID: Frechet distance between Inception features")


@pytest.mark.parametrize(
    ("unknown", "message"),
    [
        (lambda: metric_name("frechett", "inception", 1), "unknown distance 'frechett'.*did you mean 'frechet'"),
        (lambda: metric_name("frechet", "incepton", 1), "unknown encoder 'incepton'.*did you mean 'inception'"),
        (lambda: distance_of("fd-clasifier-1k"), "unknown metric 'fd-clasifier-1k'.*did you mean 'fd-classifier'"),
        (lambda: description("psnr"), "unknown metric 'psnr'"),
    ],
)
def test_an_unknown_name_is_refused(unknown, message):
    with pytest.raises(UserError, match=message):
        unknown()
