"""Metrics against clean-fid, closed forms and definitions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from cleanfid import fid
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from configs import tiny
from numpy.lib.npyio import NpzFile
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn import functional

from etsdm.config.registry import Registry
from etsdm.data.archive import Pixels, iterate_images, write_images
from etsdm.data.pixels import from_pixels
from etsdm.data.sources import load_source
from etsdm.errors import UserError
from etsdm.metrics import moments
from etsdm.metrics.distances import DISTANCES
from etsdm.metrics.distances import kernel as kernel_module
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.distances.kernel import Kernel
from etsdm.metrics.encoders import ENCODERS, classifier, inception, inception_legacy
from etsdm.metrics.encoders.classifier import Classifier, load_classifier, logits_of, train_classifier
from etsdm.metrics.encoders.inception import OFFLINE_SHA256, offline_weights, provide_inception
from etsdm.metrics.evaluation import Evaluation
from etsdm.metrics.features import default_batch, extract, extract_features
from etsdm.metrics.names import description, distance_of, metric_name
from etsdm.metrics.reference import load_summary, save_summary
from etsdm.metrics.score import score, summarise, summary_of
from etsdm.metrics.store import load_features, save_features
from etsdm.plan.plan import Plan
from etsdm.plan.reading import parse_config
from etsdm.report import metrics as report_metrics
from etsdm.runtime.files import read_json, sha256, write_json

CPU = torch.device("cpu")
OF_CLASSIFIER = {"width": 16, "epochs": 15, "batch": 64, "learning_rate": 0.01}
CLASSIFIER = Classifier(name="classifier", **OF_CLASSIFIER)
frechet, kernel = Frechet.between, Kernel.between


def digits() -> tuple[np.ndarray, list[int]]:
    data = load_digits()
    return np.round(data.images * (255 / 16)).astype(np.uint8)[..., None], data.target.tolist()


def write_digits(folder: Path, labels: list[int] | None) -> tuple[Path, Path]:
    write_images(folder / "images.zip", digits()[0])
    write_json(folder / "dataset.json", {"labels": labels})
    return folder / "images.zip", folder / "dataset.json"


# Distances


def gaussian_with(mean: np.ndarray, covariance: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n points whose sample mean and covariance are exactly those given."""
    raw = np.random.default_rng(seed).standard_normal((n, len(mean)))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_features_are_read_from_disk_once(tmp_path, monkeypatch):
    """Those of a reference are hundreds of megabytes."""
    save_features(tmp_path / "features.npz", np.ones((3, 4), np.float32), "digest")
    reads, read = [], NpzFile.__getitem__

    def counted(file, name):
        reads.append(name)
        return read(file, name)

    monkeypatch.setattr(NpzFile, "__getitem__", counted)
    assert load_features(tmp_path / "features.npz").features.shape == (3, 4)
    assert sorted(reads) == ["count", "digest", "features"]


def test_frechet_of_commuting_gaussians():
    """With diagonal covariances it is |mu_a - mu_b|^2 + |std_a - std_b|^2."""
    stds = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    means = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 0.0])
    a, b = (gaussian_with(m, np.diag(s**2), 50, k) for k, (m, s) in enumerate(zip(means, stds, strict=True)))
    expected = ((means[0] - means[1]) ** 2).sum() + ((stds[0] - stds[1]) ** 2).sum()
    assert frechet(a, b) == pytest.approx(expected, rel=1e-10)


def test_frechet_of_plane_gaussians():
    """For 2x2 matrices tr sqrt(M) = sqrt(tr M + 2 sqrt(det M))."""
    first, second = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
    a, b = gaussian_with(np.zeros(2), first, 30, 0), gaussian_with(np.ones(2), second, 40, 1)
    product = first @ second
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    assert frechet(a, b) == pytest.approx(2 + np.trace(first) + np.trace(second) - 2 * root, rel=1e-10)


def test_frechet_is_that_of_clean_fid():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((64, 64)) / 8
    a = (rng.standard_normal((500, 64)) @ mixing).astype(np.float32)
    b = (rng.standard_normal((400, 64)) @ mixing * 1.3 + 0.2).astype(np.float32)
    theirs = fid.fid_from_feats(a.astype(np.float64), b.astype(np.float64))
    assert frechet(a, b) == pytest.approx(theirs, rel=1e-9)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-9)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_kernel_is_its_definition():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 5)), rng.standard_normal((9, 5)) + 0.3

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return (float(x @ y) / 5 + 1) ** 3

    within_a = sum(k(a[i], a[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    within_b = sum(k(b[i], b[j]) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    between = sum(k(x, y) for x in a for y in b) / (7 * 9)
    assert kernel(a, b) == pytest.approx(within_a + within_b - 2 * between, rel=1e-6)


def test_rounding_averages_out_of_the_kernel():
    """Features as Inception's: 2,048 values from 0 to some units, of 600 and 700 images; against float64."""
    rng = np.random.default_rng(0)
    a, b = (np.maximum(0, rng.normal(0.3, 0.5, (n, 2048))).astype(np.float32) for n in (600, 700))

    def k(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x.astype(np.float64) @ y.T.astype(np.float64) / 2048 + 1) ** 3

    within = ((k(x, x).sum() - k(x, x).trace()) / (len(x) * (len(x) - 1)) for x in (a, b))
    assert kernel(a, b) == pytest.approx(sum(within) - 2 * k(a, b).mean(), abs=1e-7)


def test_kernel_does_not_depend_on_the_block_and_agrees_with_clean_fid(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((300, 16)), rng.standard_normal((300, 16)) + 0.5
    whole = kernel(a, b)
    monkeypatch.setattr(moments, "BLOCK", 77)
    assert kernel(a, b) == pytest.approx(whole, abs=1e-7)
    # One subset of all the images leaves clean-fid nothing to draw, but it counts the pairs (i, i) of the two
    # sets as any others, as this does.
    assert fid.kernel_distance(a, b, num_subsets=1, max_subset_size=300) == pytest.approx(whole, abs=1e-7)


def test_a_reference_is_summarised_once_and_gives_the_same_distances(tmp_path, monkeypatch):
    """With the summary at hand, no pair of references is compared again."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, 16)).astype(np.float32) for n in (100, 5000))
    expected = frechet(a, b), kernel(a, b)
    save_features(tmp_path / "b.npz", b, "digest")
    save_summary(tmp_path / "summary.npz", summary_of(b, ["frechet", "kernel"]), tmp_path / "b.npz")
    summary = load_summary(tmp_path / "summary.npz", sha256(tmp_path / "b.npz"))
    rows = []
    kernel_sum = kernel_module.kernel_sum
    monkeypatch.setattr(kernel_module, "kernel_sum", lambda x, y: rows.append(len(x) * len(y)) or kernel_sum(x, y))
    assert (frechet(a, b, summary), kernel(a, b, summary)) == expected
    assert sum(rows) == 100 * 5000 + 100 * 100
    with pytest.raises(UserError, match="the summary of other features"):
        load_summary(tmp_path / "summary.npz", "another digest")
    with pytest.raises(UserError, match=r"summary\.npz: has no 'median': it is of other distances"):
        summary["median"]


def test_moments_do_not_depend_on_the_block(monkeypatch):
    features = np.random.default_rng(0).gamma(0.5, size=(1000, 8)).astype(np.float32)
    monkeypatch.setattr(moments, "BLOCK", 77)
    mean, covariance = moments.moments(features)
    np.testing.assert_allclose(mean, features.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-10, atol=1e-15)


def fresh_sets(count: int) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Fresh sets of 500 points of one Gaussian, and the summary of another law's points."""
    mixing = np.random.default_rng(0).standard_normal((8, 8)) / np.sqrt(8)
    sets = [np.random.default_rng(100 + i).normal(0.3, 1.2, (500, 8)) @ mixing.T for i in range(count)]
    return Frechet.summarise(np.random.default_rng(1).standard_normal((20_000, 8)) @ mixing.T), sets


def test_the_bootstrap_spreads_as_fresh_sample_sets_do():
    """The standard deviation of 300 fresh sets' distances, known within 4 %, beside the mean one of 10 bootstraps."""
    summary, sets = fresh_sets(300)
    fresh = np.std([frechet(a, a, summary) for a in sets], ddof=1)
    resampled = np.mean([np.std(Frechet.bootstrap(a, a, summary, 50), ddof=1) for a in sets[:10]])
    assert resampled == pytest.approx(fresh, rel=0.2)


def test_the_bootstrap_of_two_methods_is_paired():
    """A method that moves every point alike changes the distance by a ratio that spreads less than the distance."""
    summary, sets = fresh_sets(300)
    fresh = np.std([np.log(frechet(a + 0.1, a, summary) / frechet(a, a, summary)) for a in sets], ddof=1)
    spreads = []
    for a in sets[:10]:
        first, other = (np.log(Frechet.bootstrap(points, points, summary, 50)) for points in (a, a + 0.1))
        spreads.append(np.std(other - first, ddof=1))
        assert spreads[-1] < np.std(first, ddof=1) / 2
    assert np.mean(spreads) == pytest.approx(fresh, rel=0.2)


def test_weighted_moments_are_those_of_the_copied_rows(monkeypatch):
    features = np.random.default_rng(0).gamma(0.5, size=(1000, 8)).astype(np.float32)
    counts = moments.resampled(1000, 3)
    copied = np.repeat(features, counts, axis=0).astype(np.float64)
    monkeypatch.setattr(moments, "BLOCK", 77)
    mean, covariance = moments.weighted_moments(features, counts)
    np.testing.assert_allclose(mean, copied.mean(0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(copied, rowvar=False), rtol=0, atol=1e-12)


def test_a_replicate_is_the_distance_of_the_copied_rows():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, 16)).astype(np.float32) for n in (200, 300))
    summary = Frechet.summarise(b)
    copied = [np.repeat(a, moments.resampled(200, r), axis=0) for r in range(3)]
    assert Frechet.bootstrap(a, b, summary, 3) == pytest.approx([frechet(c, b) for c in copied], rel=1e-9)


def test_what_is_resampled_depends_on_the_count_and_the_replicate_alone():
    """So image i counts as often in every set of as many images, and one more replicate leaves the others alone."""
    drawn = {(n, r): tuple(moments.resampled(n, r)) for n in (500, 501) for r in range(4)}
    assert drawn == {key: tuple(moments.resampled(*key)) for key in drawn}
    assert len(set(drawn.values())) == len(drawn)
    assert all(len(counts) == sum(counts) == n for (n, _), counts in drawn.items())
    twice = np.mean([moments.resampled(2000, r) for r in range(100)], axis=0)
    assert twice.var() == pytest.approx(1 / 100, rel=0.2), "each image is drawn once on average, with variance 1"
    assert moments.resampled(5, 0).tolist() == [2, 1, 2, 0, 0], "another version of NumPy draws the same"


def test_distances_import_neither_torch_nor_clean_fid():
    script = "import sys, etsdm.metrics.score; assert not {'torch', 'cleanfid'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


# Inception


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("inception") / "weights.pt"
    assert provide_inception(None, out)["sha256"] == sha256(out) == OFFLINE_SHA256
    return out


@pytest.fixture(scope="module")
def clean_fid_network(tmp_path_factory, inception_weights) -> InceptionV3W:
    folder = tmp_path_factory.mktemp("clean-fid")
    torch.jit.load(inception_weights).net.save(str(folder / "inception-2015-12-05.pt"))
    return InceptionV3W(str(folder), download=False)


def in_rgb(pixels: Pixels) -> Pixels:
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def resized_by_clean_fid(pixels: Pixels) -> torch.Tensor:
    resize = build_resizer("clean")
    return torch.from_numpy(np.stack([resize(image) for image in in_rgb(pixels)])).permute(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (32, 32), (64, 48), (256, 256), (299, 299), (301, 500), (1024, 1024)])
def test_images_are_resized_as_by_clean_fid(size, channels):
    """Noise, with black and white, has the steepest edges; the filter overshoots at them and is cut to [0, 255]."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, *size, channels), dtype=np.uint8)
    pixels[:, : size[0] // 2] = np.where(pixels[:, : size[0] // 2] < 128, 0, 255)
    ours = inception.resized(torch.from_numpy(pixels))
    assert ours.shape == (2, 3, 299, 299) and ours.dtype == torch.float32
    torch.testing.assert_close(ours, resized_by_clean_fid(pixels), rtol=0, atol=0.01)


def photos_and_digits() -> list[Pixels]:
    settings = {"source": "bundled", "bundle": "photos", "split": "all", "resolution": 32}
    return [np.stack(list(load_source(settings).images)[:11]), digits()[0][:11]]


@pytest.mark.parametrize("kind", [0, 1], ids=["photos", "digits"])
def test_features_are_those_of_clean_fid(inception_weights, clean_fid_network, kind):
    """The largest features are about 2; the batch of a GPU is tried on the CPU."""
    pixels = photos_and_digits()[kind]
    with torch.inference_mode():
        theirs = clean_fid_network(resized_by_clean_fid(pixels))
    network = inception.load_inception(inception_weights, CPU)
    in_batches = inception._encoder_in_batches(network, CPU, inception.resized)
    for encode in (inception.make_encoder(inception_weights, CPU), in_batches):
        torch.testing.assert_close(encode(pixels), theirs, rtol=0, atol=2e-4)


def resized_inside_the_network(pixels: Pixels) -> torch.Tensor:
    """What NVIDIA's file of the network does before its layers, in float64; the offline package's copy has no resizing.

    A grid of points between -1 and 1 is moved by half a pixel less half a new one, and the image is sampled there.
    """
    x = torch.from_numpy(in_rgb(pixels).copy()).permute(0, 3, 1, 2).double()
    move = [[1, 0, 1 / x.shape[3] - 1 / 299], [0, 1, 1 / x.shape[2] - 1 / 299]]
    shape = [len(x), 3, 299, 299]
    grid = functional.affine_grid(torch.tensor([move] * len(x), dtype=torch.float64), shape, align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False).float()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (32, 32), (64, 48), (256, 256), (299, 299), (301, 500), (1024, 1024)])
def test_legacy_resizing_is_that_inside_the_network(size, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (2, *size, channels), dtype=np.uint8)
    ours = inception_legacy.resized(torch.from_numpy(pixels))
    assert ours.shape == (2, 3, 299, 299) and ours.dtype == torch.float32
    torch.testing.assert_close(ours, resized_inside_the_network(pixels), rtol=0, atol=0.02)


def test_legacy_resizing_has_no_half_pixel():
    """Of a ramp, pixel i is i times the ratio of the sizes, until the last column, which goes on as it is."""
    ramp = torch.arange(23, dtype=torch.uint8).expand(1, 13, 23)[..., None]
    expected = (torch.arange(299) * 23 / 299).clamp(max=22)
    torch.testing.assert_close(inception_legacy.resized(ramp)[0, 2], expected.expand(299, 299), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [0, 1], ids=["photos", "digits"])
def test_legacy_features_are_those_of_the_same_network(inception_weights, clean_fid_network, kind):
    pixels = photos_and_digits()[kind]
    with torch.inference_mode():
        theirs = clean_fid_network(resized_inside_the_network(pixels))
    encode = inception_legacy.make_encoder(inception_weights, CPU)
    torch.testing.assert_close(encode(pixels), theirs, rtol=0, atol=2e-4)
    assert (inception.make_encoder(inception_weights, CPU)(pixels) - theirs).abs().max() > 0.1


def test_both_encoders_have_the_same_weights_and_metrics_of_their_own(tmp_path, inception_weights):
    settings = ENCODERS.read({"name": "inception-legacy"})
    found = ENCODERS.load("inception-legacy").make_weights(settings, tmp_path / settings.file)
    assert found["sha256"] == sha256(inception_weights)
    names = {metric_name(distance, "inception-legacy", 10_000) for distance in ("frechet", "kernel")}
    assert names == {"fid-legacy-10k", "kid-legacy-10k"}
    assert report_metrics.is_fid("fid-legacy-10k") and report_metrics.is_fid("fid-clean-inception-10k")


def test_no_bit_of_the_features_depends_on_threads_or_batch(inception_weights, monkeypatch):
    pixels = photos_and_digits()[0]
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        encode = inception.make_encoder(inception_weights, CPU)
        found += [encode(pixels), torch.cat([encode(pixels[:8]), encode(pixels[8:])])]
    assert all(torch.equal(found[0], other) for other in found)


def test_a_gpu_takes_larger_batches():
    assert default_batch(CPU) < default_batch(torch.device("cuda", 0)) == default_batch(torch.device("cuda", 1))


def frechet_and_clean_fid(folder: Path, sets: list[Pixels], weights: Path, network, features: int) -> list[float]:
    """The distance of two sets of images by this project, and by clean-fid from folders of PNGs.

    Both take the first of the features: the square root of the whole matrix takes minutes.
    """
    encode, ours = inception.make_encoder(weights, CPU), []
    for name, pixels in zip("ab", sets, strict=True):
        write_images(folder / f"{name}.zip", pixels)
        (folder / name).mkdir()
        for i, image in enumerate(pixels):
            Image.fromarray(image.squeeze()).save(folder / name / f"{i:03d}.png")
        ours.append(extract(encode, iterate_images(folder / f"{name}.zip", 16)))
        assert ours[-1].shape == (len(pixels), 2048) and ours[-1].dtype == np.float32
    theirs = fid.compute_fid(
        str(folder / "a"),
        str(folder / "b"),
        mode="clean",
        num_workers=0,
        device=CPU,
        custom_feat_extractor=lambda x: network(x)[:, :features],
        verbose=False,
    )
    return [frechet(*(each[:, :features] for each in ours)), theirs]


def test_frechet_of_inception_features_is_clean_fid(tmp_path, inception_weights, clean_fid_network):
    colour = np.random.default_rng(0).integers(0, 256, (24, 20, 20, 3), dtype=np.uint8)
    sets = [digits()[0][:24], colour]
    ours, theirs = frechet_and_clean_fid(tmp_path, sets, inception_weights, clean_fid_network, 256)
    assert ours == pytest.approx(theirs, abs=1e-3)


@pytest.mark.slow
def test_fid_of_hundreds_of_images_is_clean_fid(tmp_path, inception_weights, clean_fid_network):
    """All features, two hundred images a set: photographs of 48 px enlarged, and the same with noise."""
    settings = {"source": "bundled", "bundle": "photos", "split": "all", "resolution": 48}
    crops, numbers = np.stack(list(load_source(settings).images)), np.random.default_rng(0)
    chosen = [crops[numbers.integers(0, len(crops), 200)] for _ in range(2)]
    noisy = (chosen[1] + numbers.normal(0, 8, chosen[1].shape)).clip(0, 255).astype(np.uint8)
    sets = [chosen[0], noisy]
    ours, theirs = frechet_and_clean_fid(tmp_path, sets, inception_weights, clean_fid_network, 2048)
    assert ours > 1 and ours == pytest.approx(theirs, abs=1e-3)


def test_other_weights_are_refused(tmp_path):
    planted = tmp_path / "planted.pt"
    planted.write_bytes(b"not the network")
    out = tmp_path / "cache" / "weights.pt"
    with pytest.raises(UserError, match=rf"planted\.pt.*{sha256(planted)}.*{OFFLINE_SHA256}"):
        provide_inception(str(planted), out)
    assert list(out.parent.iterdir()) == []
    with pytest.raises(UserError, match="not the Inception weights"):
        inception.make_encoder(planted, CPU)
    with pytest.raises(UserError, match="no-such-file"):
        provide_inception(str(tmp_path / "no-such-file.pt"), out)


def test_download_is_the_last_resort_and_is_verified(tmp_path, monkeypatch):
    package = offline_weights()
    assert package is not None
    monkeypatch.setattr(inception, "offline_weights", lambda: None)
    out = tmp_path / "weights.pt"
    found = provide_inception(None, out, url=package.as_uri())
    assert found == {"source": package.as_uri(), "sha256": OFFLINE_SHA256}
    (tmp_path / "other").write_text("an error page")
    with pytest.raises(UserError, match=f"not the expected file.*{OFFLINE_SHA256}; fetch it again"):
        provide_inception(None, out, url=(tmp_path / "other").as_uri())
    with pytest.raises(UserError, match="offline-weights"):
        provide_inception(None, out, url=(tmp_path / "missing").as_uri())
    assert sha256(out) == OFFLINE_SHA256


# Classifier


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


# Feature files


def test_feature_file(tmp_path):
    images, dataset = write_digits(tmp_path, digits()[1])
    weights, out = tmp_path / "weights.safetensors", tmp_path / "features.npz"
    train_classifier(CLASSIFIER.model_copy(update={"epochs": 1}), images, dataset, weights, CPU, progress=False)
    found = extract_features("classifier", weights, images, out, 50, "cpu", progress=False)
    stored = load_features(out)
    assert found == {"count": 50, "digest": sha256(images)}
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


# Names


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
    asked = {"samples": 6, "encoders": ["inception"], "distances": ["means"]}
    with pytest.raises(ValueError, match=r"samples = 6 is too few: the distance of the means needs at least 7"):
        Evaluation.model_validate(asked)


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
