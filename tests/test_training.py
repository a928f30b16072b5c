"""Training: what a step sees and computes, and what a whole run leaves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, uniform
from short_training import CPU, SPEC, changed, lines, noise, run, states, write_noise
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from typed import new_trainer, process_with

from etsdm.data.archive import Pixels
from etsdm.diffusion.process import Process
from etsdm.errors import UserError
from etsdm.models.trained import load_network
from etsdm.models.unet import UNet
from etsdm.models.weights import load_weights
from etsdm.training import trainer as module
from etsdm.training.data import batch_indices, draw, to_network
from etsdm.training.ema import AveragedWeights
from etsdm.training.metrics import Tally
from etsdm.training.trainer import Trainer


def wake(trainer: Trainer) -> None:
    """Move the output layer away from zero, so that the gradient reaches every parameter."""
    with torch.no_grad():
        for parameter in trainer.network.out.parameters():
            parameter.add_(0.1)


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return noise()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    run(archive, out)
    return out


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
        condition = 0.0 if t < 20 else 20.0 if t < 40 else float(t)
        total = total + (trainer.network(x_t[None, None], torch.tensor([condition])) - eps).square().mean()
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


def test_a_run_leaves_weights_metrics_and_events(whole: Path, archive: Path) -> None:
    network, network_spec = load_network(whole / "weights.safetensors")
    spec = network_spec.json_values()
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
