"""Inception's features and FID against clean-fid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cleanfid import fid
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from digits import digits
from PIL import Image
from torch.nn import functional

from etsdm.data.archive import Pixels, iterate_images, write_images
from etsdm.data.sources import load_source
from etsdm.errors import UserError
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.distances.kernel import Kernel
from etsdm.metrics.encoders import ENCODERS, inception, inception_legacy
from etsdm.metrics.encoders.inception import OFFLINE_SHA256, offline_weights, provide_inception
from etsdm.metrics.features import default_batch, extract
from etsdm.metrics.names import metric_name
from etsdm.report import metrics as report_metrics
from etsdm.runtime.files import sha256

CPU = torch.device("cpu")
frechet, kernel = Frechet.between, Kernel.between


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


@pytest.mark.slow
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
    origin = ENCODERS.load("inception-legacy").make_weights(settings, tmp_path / settings.file)
    assert origin["sha256"] == sha256(inception_weights)
    names = {metric_name(distance, "inception-legacy", 10_000) for distance in ("frechet", "kernel")}
    assert names == {"fid-legacy-10k", "kid-legacy-10k"}
    assert report_metrics.is_fid("fid-legacy-10k") and report_metrics.is_fid("fid-clean-inception-10k")


@pytest.mark.slow
def test_no_bit_of_the_features_depends_on_threads_or_batch(inception_weights, monkeypatch):
    pixels = photos_and_digits()[0]
    features = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        encode = inception.make_encoder(inception_weights, CPU)
        features += [encode(pixels), torch.cat([encode(pixels[:8]), encode(pixels[8:])])]
    assert all(torch.equal(features[0], other) for other in features)


def test_a_gpu_takes_larger_batches():
    assert default_batch(CPU) < default_batch(torch.device("cuda", 0)) == default_batch(torch.device("cuda", 1))


def frechet_and_clean_fid(folder: Path, sets: list[Pixels], weights: Path, network, step: int):
    """The distance of two sets of images by this project, by clean-fid from folders of PNGs, and our features.

    Both distances take each `step`-th of the 2,048 features: clean-fid's square root of the whole matrix takes minutes.
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
        custom_feat_extractor=lambda x: network(x)[:, ::step],
        verbose=False,
    )
    return frechet(*(each[:, ::step] for each in ours)), theirs, ours


def test_frechet_of_inception_features_is_clean_fid(tmp_path, inception_weights, clean_fid_network):
    colour = np.random.default_rng(0).integers(0, 256, (24, 20, 20, 3), dtype=np.uint8)
    sets = [digits()[0][:24], colour]
    ours, theirs, _ = frechet_and_clean_fid(tmp_path, sets, inception_weights, clean_fid_network, 8)
    assert ours == pytest.approx(theirs, abs=1e-3)


@pytest.mark.slow
def test_fid_of_two_hundred_images_is_clean_fid(tmp_path, inception_weights, clean_fid_network):
    """A hundred images a set: photographs of 48 px enlarged, and the same with noise; then all features."""
    settings = {"source": "bundled", "bundle": "photos", "split": "all", "resolution": 48}
    crops, numbers = np.stack(list(load_source(settings).images)), np.random.default_rng(0)
    chosen = [crops[numbers.integers(0, len(crops), 100)] for _ in range(2)]
    noisy = (chosen[1] + numbers.normal(0, 8, chosen[1].shape)).clip(0, 255).astype(np.uint8)
    sets = [chosen[0], noisy]
    ours, theirs, features = frechet_and_clean_fid(tmp_path, sets, inception_weights, clean_fid_network, 3)
    assert ours > 1 and ours == pytest.approx(theirs, abs=1e-3)
    assert frechet(*features) == pytest.approx(frechet_of_few(*features), rel=1e-6)


def frechet_of_few(a: np.ndarray, b: np.ndarray) -> float:
    """The distance over all features from matrices of images by images: tr (S_a S_b)^(1/2) is the sum of the singular
    values of X_a X_b', of centred features X over the root of one image less."""
    x, y = ((each - each.mean(0, dtype=float)) / np.sqrt(len(each) - 1) for each in (a, b))
    overlap = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(
        ((a.mean(0, dtype=float) - b.mean(0, dtype=float)) ** 2).sum() + (x**2).sum() + (y**2).sum() - 2 * overlap
    )


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
    origin = provide_inception(None, out, url=package.as_uri())
    assert origin == {"source": package.as_uri(), "sha256": OFFLINE_SHA256}
    (tmp_path / "other").write_text("an error page")
    with pytest.raises(UserError, match=f"not the expected file.*{OFFLINE_SHA256}; fetch it again"):
        provide_inception(None, out, url=(tmp_path / "other").as_uri())
    with pytest.raises(UserError, match="offline-weights"):
        provide_inception(None, out, url=(tmp_path / "missing").as_uri())
    assert sha256(out) == OFFLINE_SHA256
