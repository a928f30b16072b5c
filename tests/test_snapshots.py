"""Snapshots: the weights of a shorter training, kept while a longer one runs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from short_training import CPU, SPEC, changed, flip_a_bit, noise, run, train_until, weights, write_noise
from typed import new_trainer

from etsdm.errors import UserError
from etsdm.models.trained import load_network
from etsdm.models.weights import load_weights
from etsdm.runtime.files import sha256, write_json
from etsdm.training import trainer as module
from etsdm.training.snapshots import Snapshot
from etsdm.training.take import take_snapshot


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


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


def test_a_snapshot_is_the_average_of_the_weights_of_every_step(snapped: Path) -> None:
    """Summed up in float64: each step's weights count (1 - d) d^(steps since), the initial ones d^(all steps)."""
    trainer = new_trainer(SPEC, noise(), CPU, micro_batch=4)
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
