"""Training: what a step computes, and that a run that is cut off ends as one that is not."""

import json
import os
import signal
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, uniform
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from typed import new_trainer, process_with, train

from etsdm.data.archive import Pixels, write_images
from etsdm.diffusion.process import Process
from etsdm.errors import Interrupted, UserError
from etsdm.models.trained import load_network
from etsdm.models.unet import UNet
from etsdm.models.weights import load_weights
from etsdm.runtime.files import sha256, write_json
from etsdm.training import trainer as module
from etsdm.training.data import batch_indices, draw, to_network
from etsdm.training.ema import AveragedWeights
from etsdm.training.metrics import Tally
from etsdm.training.snapshots import Snapshot
from etsdm.training.take import take_snapshot
from etsdm.training.trainer import Trainer

CPU = torch.device("cpu")
SPEC: dict[str, Any] = {
    "task": {"name": "generation"},
    "dataset": {"name": "noise", "resolution": 4, "channels": 1},
    "diffusion": {"timesteps": 100, "schedule": "linear", "time": "discrete", "prediction": "eps", "tau_min": 1e-3},
    "method": {"name": "etsdm", "t_tilde": 40, "n": 2, "partition": "uniform"},
    "network": {
        "channels": 8,
        "multipliers": [1],
        "blocks": 1,
        "attention": [],
        "heads": 1,
        "head_channels": None,
        "dropout": 0.2,
        "norm_groups": 4,
        "scale_shift_norm": True,
        "resblock_updown": True,
    },
    "training": {
        "images": 100,
        "batch": 10,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "betas": [0.9, 0.99],
        "weight_decay": 0.01,
        "warmup": 30,
        "ema_half_life": 20,
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


def run(
    archive: Path,
    out: Path,
    spec: dict[str, Any] = SPEC,
    save_minutes: float = 0,
    micro_batch: int = 4,
    **settings: Any,
) -> dict[str, float]:
    """Train on the CPU, saving after each step."""
    settings |= {"save_minutes": save_minutes, "micro_batch": micro_batch}
    return train(spec, archive, out, "cpu", progress=False, **settings)


def states(out: Path) -> list[int]:
    """Images seen by each saved state."""
    return sorted(int(path.name.partition("-")[0]) for path in (out / "state").glob("*.pt"))


def wake(trainer: Trainer) -> None:
    """Move the output layer away from zero, so that the gradient reaches every parameter."""
    with torch.no_grad():
        for parameter in trainer.network.out.parameters():
            parameter.add_(0.1)


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (23, 4, 4, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def archive(pixels: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "images.zip"
    write_images(path, pixels)
    return path


@pytest.fixture(scope="module")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    run(archive, out)
    return out


class Cut(Exception):
    """Stands for whatever ends a process."""


def train_until(images: int, archive: Path, out: Path, monkeypatch: pytest.MonkeyPatch, **kwargs: Any) -> None:
    """Train SPEC in `out` and break off in the middle of the step after `images` images."""
    gradient = Trainer._accumulate_gradient

    def cut(trainer: Trainer, *batch: Any) -> None:
        gradient(trainer, *batch)
        if trainer.images == images:
            raise Cut

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(Trainer, "_accumulate_gradient", cut)
        run(archive, out, **kwargs)


def lines(out: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl but for the speed, which no two runs share."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in rows]


def weights(out: Path) -> bytes:
    return (out / "weights.safetensors").read_bytes()


# ---------------------------------------------------------------- what a step sees


def test_every_epoch_visits_every_image_once_in_its_own_order() -> None:
    order = batch_indices(7, 0, 0, 21).reshape(3, 7)
    assert (np.sort(order) == np.arange(7)).all()
    assert len({tuple(epoch) for epoch in order}) == 3


@pytest.mark.parametrize("batch", [1, 3, 7, 16])
def test_batches_follow_one_endless_order(batch: int) -> None:
    endless = batch_indices(7, 5, 0, 64)
    pieces = [batch_indices(7, 5, position, batch) for position in range(0, 64 - batch, batch)]
    joined = np.concatenate(pieces)
    assert (joined == endless[: len(joined)]).all()
    assert (batch_indices(7, 6, 0, 64) != endless).any()


def process(time: str = "discrete", prediction: str = "eps", schedule: str = "linear") -> Process:
    diffusion = {"schedule": schedule, "timesteps": 100, "time": time, "prediction": prediction, "tau_min": 0.05}
    return process_with(diffusion, {"name": "ddpm"}, 2)


def test_draws_are_a_function_of_seed_and_position() -> None:
    draws = draw(1, 640, (4000, 1, 2, 2), process(), CPU)
    torch.manual_seed(99)
    again = draw(1, 640, (4000, 1, 2, 2), process(), CPU)
    assert torch.equal(draws.t, again.t)
    assert torch.equal(draws.eps, again.eps)
    assert torch.equal(draws.flips, again.flips)
    for seed, position in ((2, 640), (1, 1280)):
        assert not torch.equal(draw(seed, position, (4000, 1, 2, 2), process(), CPU).eps, draws.eps)


def test_draws_have_their_distributions() -> None:
    draws = draw(0, 0, (4000, 1, 2, 2), process(), CPU)
    counts = torch.bincount(draws.t.long(), minlength=100)
    assert len(counts) == 100
    assert (counts - 40).abs().max() < 5 * 6.3  # five standard deviations of a binomial count
    assert abs(draws.eps.mean()) < 5 / 16000**0.5
    assert abs(draws.eps.var() - 1) < 5 * (2 / 16000) ** 0.5
    assert abs(draws.flips.float().mean() - 0.5) < 5 * 0.5 / 4000**0.5


def test_times_are_uniform_in_continuous_time() -> None:
    t = np.sort(draw(0, 0, (4000, 1, 2, 2), process("continuous"), CPU).t.numpy())
    assert kstest(t, uniform(5, 95).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("prediction", "last"), [("eps", 98), ("v", 99), ("x_0", 99)])
def test_times_without_signal_are_trained_only_where_the_prediction_means_something(prediction: str, last: int) -> None:
    draws = draw(0, 0, (4000, 1, 2, 2), process(prediction=prediction, schedule="zero-terminal-snr"), CPU)
    assert draws.t.max() == last


def test_images_reach_the_network_as_they_are_or_mirrored() -> None:
    pixels = torch.tensor([[[[0], [255]], [[51], [102]]]] * 2, dtype=torch.uint8)
    images = to_network(pixels, torch.tensor([False, True]))
    expected = torch.tensor([[-1.0, 1.0], [-0.6, -0.2]])
    torch.testing.assert_close(images[0, 0], expected)
    torch.testing.assert_close(images[1, 0], expected.flip(1))
    assert torch.equal(((images + 1) * 127.5).round()[0, 0], pixels[0, :, :, 0].float())


# ---------------------------------------------------------------- what a step computes


def test_gradient_is_that_of_the_mean_loss_over_the_global_batch(pixels: Pixels) -> None:
    """Against the definition, an image at a time: the network is told f(t), the noise level follows t."""
    trainer = new_trainer(changed(dropout=0.0, flip=False), pixels, CPU)
    wake(trainer)
    trainer.images = 20
    trainer._accumulate_gradient(*trainer._next_batch())
    gradients = [parameter.grad.clone() for parameter in trainer.parameters if parameter.grad is not None]
    draws = draw(3, 20, (10, 1, 4, 4), trainer.process, CPU)
    betas = torch.linspace(1e-3, 0.2, 100, dtype=torch.float64)
    alpha_bar = torch.cumprod(1 - betas, 0)
    total = torch.zeros(())
    for i, index in enumerate(batch_indices(23, 3, 20, 10)):
        x0 = torch.tensor(pixels[index, :, :, 0] / 127.5 - 1, dtype=torch.float32)
        t, eps = int(draws.t[i]), draws.eps[i, 0]
        x_t = alpha_bar[t].sqrt().float() * x0 + (1 - alpha_bar[t]).sqrt().float() * eps
        told = 0.0 if t < 20 else 20.0 if t < 40 else float(t)
        total = total + (trainer.network(x_t[None, None], torch.tensor([told])) - eps).square().mean()
    for ours, reference in zip(gradients, torch.autograd.grad(total / 10, trainer.parameters), strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("micro_batch", [1, 3, 10, 64])
def test_micro_batches_do_not_change_the_gradient(pixels: Pixels, micro_batch: int) -> None:
    trainers = [new_trainer(changed(dropout=0.0), pixels, CPU, micro_batch=size) for size in (None, micro_batch)]
    for trainer in trainers:
        wake(trainer)
        trainer._accumulate_gradient(*trainer._next_batch())
    for first, second in zip(trainers[0].parameters, trainers[1].parameters, strict=True):
        torch.testing.assert_close(first.grad, second.grad, atol=1e-5, rtol=1e-4)


def test_steps_warm_up_and_clip(pixels: Pixels) -> None:
    trainer = new_trainer(changed(gradient_clip=1e-3), pixels, CPU)
    rates = []
    for _ in range(5):
        rates.append(trainer.learning_rate)
        trainer.step()
        assert trainer.optimizer.param_groups[0]["lr"] == rates[-1]
        norm = sum(float(p.grad.square().sum()) for p in trainer.parameters if p.grad is not None) ** 0.5
        assert norm == pytest.approx(1e-3, rel=1e-3)
    assert rates == pytest.approx([1e-3 / 3, 2e-3 / 3, 1e-3, 1e-3, 1e-3])


def test_average_halves_its_memory_every_half_life() -> None:
    network = nn.Linear(3, 2)
    nn.init.ones_(network.weight)
    average = AveragedWeights(network, batch=10, half_life=40)
    nn.init.constant_(network.weight, 5.0)
    for images in range(10, 130, 10):
        average.update()
        expected = 5 + (1 - 5) * 0.5 ** (images / 40)
        torch.testing.assert_close(average.weights["weight"], torch.full((2, 3), expected))


def test_losses_are_told_apart_by_quarter_of_the_timesteps() -> None:
    tally = Tally(times=10, device=CPU)
    tally.add_losses(torch.tensor([0, 2, 3, 9]), torch.tensor([1.0, 3.0, 5.0, 7.0]))
    tally.add_step(torch.tensor(2.0), 0)
    tally.add_step(torch.tensor(4.0), 2)
    quarters = {"loss_q0": 2.0, "loss_q1": 5.0, "loss_q2": None, "loss_q3": 7.0}
    assert tally.means() == {"loss": 4.0, **quarters, "grad_norm": 3.0}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_learns(pixels: Pixels, precision: str) -> None:
    """On one flat image the noise is x_t less a constant, which even a tiny network soon finds."""
    flat = np.full_like(pixels, 128)
    settings = {"learning_rate": 1e-2, "batch": 32, "dropout": 0.0}
    trainer = new_trainer(changed(**settings, precision=precision), flat, CPU)
    for _ in range(30):
        trainer.step()
    trainer.tally.clear()
    trainer.step()
    loss = trainer.tally.means()["loss"]
    assert loss is not None
    assert loss < 0.5  # that of predicting no noise is 1
    assert {parameter.dtype for parameter in trainer.parameters} == {torch.float32}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", [SPEC["method"], {"name": "regularization", "estimator": "finite-difference"}])
def test_checkpointing_changes_no_weight(pixels: Pixels, method: dict[str, Any], precision: str) -> None:
    """Each block of the network runs twice a pass, with the same dropout, and the steps are the same to the bit."""
    runs: list[int] = []
    trained = []
    for checkpointing in (False, True):
        spec = changed(precision=precision) | {"method": {"t_tilde": 40} | method}
        trainer = new_trainer(spec, pixels, CPU, micro_batch=5, checkpointing=checkpointing)
        wake(trainer)
        runs.append(0)
        trainer.network.middle_block.register_forward_pre_hook(lambda *_: runs.append(runs.pop() + 1))
        for _ in range(2):
            trainer.step()
        trained.append(trainer.network.state_dict())
    assert runs[1] == 2 * runs[0]
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_a_forward_mode_derivative_is_trained_without_checkpointing(
    pixels: Pixels, capsys: pytest.CaptureFixture[str]
) -> None:
    method = {"name": "regularization", "t_tilde": 40, "weight": 1.0, "estimator": "forward-mode"}
    trainer = new_trainer(SPEC | {"method": method}, pixels, CPU, checkpointing=True)
    trainer.step()
    assert not trainer.network.checkpointing
    assert "without checkpointing" in capsys.readouterr().err


def test_a_compiled_network_trains_alike(pixels: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch.compile traces it; the code that it would write needs a C compiler, and moves the last bits."""
    monkeypatch.setattr(UNet, "compile", lambda network: nn.Module.compile(network, backend="eager", fullgraph=True))
    trained = []
    for compiled in (False, True):
        trainer = new_trainer(SPEC, pixels, CPU, micro_batch=5, compiled=compiled)
        trainer.step()
        trained.append(trainer.network.state_dict())
    assert list(trained[0]) == list(trained[1])
    for name, tensor in trained[0].items():
        torch.testing.assert_close(trained[1][name], tensor, atol=1e-6, rtol=1e-5)


# ---------------------------------------------------------------- a whole run


def test_a_run_leaves_weights_metrics_and_events(whole: Path, archive: Path) -> None:
    network, found = load_network(whole / "weights.safetensors")
    spec = found.json_values()
    assert spec == SPEC
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    rows = lines(whole)
    assert [row["images"] for row in rows] == list(range(10, 101, 10))
    quarters = [f"loss_q{q}" for q in range(4)]
    assert list(rows[0]) == ["images", "loss", *quarters, "grad_norm", "lr"]
    events = EventAccumulator(str(whole / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(10, 101, 10))
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([row["loss"] for row in rows])


def test_the_weights_are_the_average(whole: Path, pixels: Pixels) -> None:
    trainer = new_trainer(SPEC, pixels, CPU, micro_batch=4)
    for _ in range(10):
        trainer.step()
    saved, _ = load_weights(whole / "weights.safetensors")
    for name, weight in trainer.average.weights.items():
        assert torch.equal(saved[name], weight)
        assert not torch.equal(saved[name], trainer.network.state_dict()[name])


def test_the_cost_is_reported(archive: Path, tmp_path: Path) -> None:
    cost = run(archive, tmp_path, changed(images=25))
    network, _ = load_network(tmp_path / "weights.safetensors")
    assert cost["images"] == 30  # whole batches of 10
    assert cost["seconds"] > 0
    assert cost["parameters"] == sum(parameter.numel() for parameter in network.parameters())


def test_another_seed_gives_other_weights(whole: Path, archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path, changed(seed=4))
    ours, theirs = (load_weights(out / "weights.safetensors")[0] for out in (whole, tmp_path))
    assert not torch.equal(ours["out.2.weight"], theirs["out.2.weight"])


@pytest.mark.parametrize("images", [10, 20, 50, 90])
def test_a_resumed_run_ends_with_the_same_bytes(
    images: int, whole: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(images, archive, tmp_path, monkeypatch)
    assert not (tmp_path / "weights.safetensors").exists()
    run(archive, tmp_path)
    assert weights(tmp_path) == weights(whole)
    assert lines(tmp_path) == lines(whole)
    # Two event files of one second and one process are read in no certain order, so nothing may be purged here.
    events = EventAccumulator(str(tmp_path / "tensorboard"), purge_orphaned_data=False).Reload()
    assert {event.step for event in events.Scalars("loss")} == set(range(10, 101, 10))


def test_a_run_may_be_cut_again_and_again(
    whole: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for images in (30, 40, 40, 80):
        train_until(images, archive, tmp_path, monkeypatch)
    assert states(tmp_path) == [70, 80]
    run(archive, tmp_path)
    assert weights(tmp_path) == weights(whole)
    assert lines(tmp_path) == lines(whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_state_and_the_same_command_goes_on(
    number: signal.Signals, whole: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the workflow deletes of a job that ended early, its outputs, is not needed to go on."""
    gradient = Trainer._accumulate_gradient

    def signalled(trainer: Trainer, *batch: Any) -> None:
        gradient(trainer, *batch)
        if trainer.images == 50:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="saved after 60 images"):
        patch.setattr(Trainer, "_accumulate_gradient", signalled)
        run(archive, tmp_path)
    (tmp_path / "metrics.jsonl").unlink(missing_ok=True)
    run(archive, tmp_path)
    assert weights(tmp_path) == weights(whole)
    assert lines(tmp_path) == lines(whole)


def truncate(state: Path) -> None:
    state.write_bytes(state.read_bytes()[:1000])


def flip_a_bit(state: Path) -> None:
    """In the middle of a tensor, where the file still reads."""
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit])
def test_a_damaged_state_gives_way_to_the_one_before(
    damage: Callable[[Path], None],
    whole: Path,
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_until(70, archive, tmp_path, monkeypatch)
    damage(max((tmp_path / "state").glob("*.pt")))
    with (tmp_path / "state" / "metrics.jsonl").open("a") as file:
        file.write('{"images": 80, "lo')
    run(archive, tmp_path)
    said = capsys.readouterr().err
    assert "DAMAGED" in said
    assert "resuming after 60 images" in said
    assert weights(tmp_path) == weights(whole)
    assert lines(tmp_path) == lines(whole)


def test_nothing_is_saved_before_it_is_time(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_until(90, archive, tmp_path, monkeypatch, save_minutes=60)
    assert not states(tmp_path)


def test_a_job_short_of_time_saves_and_leaves_again_and_again(whole: Path, archive: Path, tmp_path: Path) -> None:
    """A limit that is over at once: each attempt takes one step."""
    for images in range(10, 100, 10):
        with pytest.raises(Interrupted, match=f"saved after {images} images"):
            run(archive, tmp_path, save_minutes=60, minutes=1e-9)
        assert states(tmp_path)[-1] == images
    run(archive, tmp_path, minutes=1e-9)
    assert weights(tmp_path) == weights(whole)
    assert lines(tmp_path) == lines(whole)


@pytest.mark.parametrize(("spec", "digest"), [(SPEC, "new"), (changed(learning_rate=2e-3), "old")])
def test_the_state_of_another_run_is_never_resumed(
    spec: dict[str, Any],
    digest: str,
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_until(50, archive, tmp_path / "cut", monkeypatch, fingerprint="old")
    for name in ("cut", "fresh"):
        run(archive, tmp_path / name, spec, fingerprint=digest)
    assert "not resumed" in capsys.readouterr().err
    assert weights(tmp_path / "cut") == weights(tmp_path / "fresh")
    assert lines(tmp_path / "cut") == lines(tmp_path / "fresh")


def test_a_training_does_not_go_on_with_other_images(
    pixels: Pixels, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "other.zip", 255 - pixels)
    train_until(50, archive, tmp_path / "cut", monkeypatch)
    for name in ("cut", "fresh"):
        run(tmp_path / "other.zip", tmp_path / name)
    assert "not resumed" in capsys.readouterr().err
    assert weights(tmp_path / "cut") == weights(tmp_path / "fresh")


def test_divergence_stops_the_run_and_keeps_the_last_good_state(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finite = module.prediction_loss
    calls = iter(range(1000))

    def loss(*args: Any) -> torch.Tensor:
        return finite(*args) * (torch.nan if next(calls) > 12 else 1)  # three micro-batches a step

    monkeypatch.setattr(module, "prediction_loss", loss)
    with pytest.raises(UserError, match="in step 5, after 40 images") as error:
        run(archive, tmp_path)
    batch = batch_indices(23, 3, 40, 10)
    assert f"images {', '.join(map(str, batch[:8]))}, ... of the archive" in str(error.value)
    assert states(tmp_path) == [30, 40]
    network = torch.load(max((tmp_path / "state").glob("*.pt")), weights_only=True)["network"]
    assert all(bool(weight.isfinite().all()) for weight in network.values())
    assert not (tmp_path / "weights.safetensors").exists()


def test_divergence_is_told_by_its_first_step_when_it_is_noticed_later(pixels: Pixels) -> None:
    trainer = new_trainer(SPEC, pixels, CPU)
    trainer.step()
    trainer.check_finite()
    trainer.parameters[0].data.fill_(torch.inf)
    trainer.step()
    trainer.step()
    with pytest.raises(UserError, match="in step 2, after 10 images"):
        trainer.check_finite()


def test_the_micro_batch_is_what_fits_into_the_memory(pixels: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that can hold three images, by a loss that says so."""
    fits = module.prediction_loss

    def loss(predict: Any, x0: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(x0) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fits(predict, x0, *rest)

    trainer = new_trainer(SPEC, pixels, CPU)
    monkeypatch.setattr(module, "prediction_loss", loss)
    assert trainer._halved_until_it_fits(10) == 3
    assert all(parameter.grad is None for parameter in trainer.parameters)
    monkeypatch.setattr(module, "prediction_loss", lambda predict, x0, *rest: loss(predict, x0.repeat(9, 1, 1, 1)))
    with pytest.raises(UserError, match="a single image"):
        trainer._halved_until_it_fits(10)


def test_images_of_another_size_are_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"images\.zip"):
        run(archive, tmp_path, changed(resolution=8))


# ---------------------------------------------------------------- snapshots


def keeping(*half_lives: int, **settings: Any) -> dict[str, Any]:
    """SPEC with snapshots after 20, 45 and all 100 images, for each half-life."""
    spec = changed(**settings)
    spec["training"]["snapshots"] = {"images": [45, 20, 100], "ema_half_lives": list(half_lives)}
    return spec


def snapshot_files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("snapshot-*")}


@pytest.fixture(scope="module")
def snapped(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run that kept snapshots for its own half-life of 20 images and one of 5."""
    out = tmp_path_factory.mktemp("snapped")
    run(archive, out, keeping(20, 5))
    return out


@pytest.mark.parametrize("images", [20, 45, 100])
@pytest.mark.parametrize("half_life", [20, 5])
def test_a_snapshot_holds_the_weights_of_a_training_that_ends_there(
    images: int, half_life: int, snapped: Path, archive: Path, tmp_path: Path
) -> None:
    """Nothing in a step depends on how long the training is; 45 images are 50, in whole batches of 10."""
    run(archive, tmp_path, changed(images=images, ema_half_life=half_life))
    own = (images, half_life) == (100, 20)
    kept, spec = load_weights(snapped / ("weights.safetensors" if own else Snapshot(images, half_life).file))
    shorter, _ = load_weights(tmp_path / "weights.safetensors")
    assert all(torch.equal(kept[name], shorter[name]) for name in shorter)
    assert spec == keeping(20, 5) | ({} if own else {"snapshot": {"images": images, "ema_half_life": half_life}})


def test_the_last_weights_are_no_snapshot_besides(snapped: Path) -> None:
    files = {f"snapshot-{images}-ema{life}.safetensors" for images in (20, 45, 100) for life in (20, 5)}
    assert set(snapshot_files(snapped)) == files - {"snapshot-100-ema20.safetensors"}


def test_a_snapshot_is_the_average_of_the_weights_of_every_step(snapped: Path, pixels: Pixels) -> None:
    """Summed up in float64: each step's weights count (1 - d) d^(steps since), the initial ones d^(all steps)."""
    trainer = new_trainer(SPEC, pixels, CPU, micro_batch=4)
    decay = 0.5 ** (10 / 5)
    average = {name: weight.double().clone() for name, weight in trainer.network.state_dict().items()}
    average = {name: weight * decay**5 for name, weight in average.items()}
    for steps_since in (4, 3, 2, 1, 0):
        trainer.step()
        for name, weight in trainer.network.state_dict().items():
            average[name] += (1 - decay) * decay**steps_since * weight.double()
    kept, _ = load_weights(snapped / Snapshot(45, 5).file)
    for name, weight in average.items():
        torch.testing.assert_close(kept[name].double(), weight, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("images", [10, 20, 40, 50, 90])
def test_a_resumed_run_leaves_the_same_snapshots(
    images: int, snapped: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(images, archive, tmp_path, monkeypatch, spec=keeping(20, 5))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("snapshot-*")}
    assert len(before) == 2 * (images >= 20) + 2 * (images >= 50)
    run(archive, tmp_path, keeping(20, 5))
    assert snapshot_files(tmp_path) == snapshot_files(snapped)
    assert weights(tmp_path) == weights(snapped)
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize("damage", [Path.unlink, flip_a_bit])
def test_a_training_does_not_go_on_without_a_snapshot_that_it_is_past(
    damage: Callable[[Path], None], snapped: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(60, archive, tmp_path, monkeypatch, spec=keeping(20, 5))
    damage(tmp_path / Snapshot(20, 5).file)
    with pytest.raises(UserError, match=r"snapshot-20-ema5.*is (missing|damaged).*from the beginning") as error:
        run(archive, tmp_path, keeping(20, 5))
    assert f"remove {tmp_path / 'state'}:" in str(error.value)
    for state in (tmp_path / "state").iterdir():
        state.unlink()
    run(archive, tmp_path, keeping(20, 5))
    assert snapshot_files(tmp_path) == snapshot_files(snapped)


def test_no_snapshot_of_a_network_that_has_diverged(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finite, calls = module.prediction_loss, iter(range(1000))

    def loss(*args: Any) -> torch.Tensor:
        return finite(*args) * (torch.nan if next(calls) > 12 else 1)  # three micro-batches a step

    monkeypatch.setattr(module, "prediction_loss", loss)
    with pytest.raises(UserError, match="in step 5, after 40 images"):
        run(archive, tmp_path, keeping(20))
    assert set(snapshot_files(tmp_path)) == {Snapshot(20, 20).file}


@pytest.fixture
def finished(snapped: Path, tmp_path: Path) -> Path:
    """A snapshot, copied, beside the manifest of its training."""
    file = tmp_path / Snapshot(20, 5).file
    file.write_bytes((snapped / file.name).read_bytes())
    write_json(tmp_path / "manifest.json", {"outputs": {file.name: sha256(file)}, "result": {"seconds": 60.0}})
    return file


def test_a_snapshot_becomes_a_model_without_a_second_copy(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "snapshots" / "weights.safetensors"
    for _ in range(2):  # a second time, too, over what is there
        assert take_snapshot(tmp_path / "manifest.json", finished, out) == {"seconds": 60.0}
        assert out.samefile(finished)
        assert [path.name for path in out.parent.iterdir()] == [out.name]
    spec = load_network(out)[1].json_values()
    assert spec["snapshot"] == {"images": 20, "ema_half_life": 5}


def test_a_snapshot_is_copied_where_there_are_no_links(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    take_snapshot(tmp_path / "manifest.json", finished, tmp_path / "weights.safetensors")
    assert not finished.samefile(tmp_path / "weights.safetensors")
    assert weights(tmp_path) == finished.read_bytes()


@pytest.mark.parametrize(("damage", "problem"), [(Path.unlink, "missing"), (flip_a_bit, "damaged")])
def test_a_lost_or_damaged_snapshot_is_an_error_that_says_what_to_do(
    damage: Callable[[Path], None], problem: str, finished: Path, tmp_path: Path
) -> None:
    damage(finished)
    with pytest.raises(
        UserError, match=rf"snapshot-20-ema5.*{problem}; put it back, or give `etsdm redo .*weights\.safetensors"
    ):
        take_snapshot(tmp_path / "manifest.json", finished, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
