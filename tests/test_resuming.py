"""A training that is cut off ends as one that is not."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from short_training import SPEC, changed, flip_a_bit, lines, noise, run, states, train_until, weights, write_noise
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from etsdm.data.archive import write_images
from etsdm.errors import Interrupted
from etsdm.training.trainer import Trainer


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    run(archive, out)
    return out


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
    stderr = capsys.readouterr().err
    assert "DAMAGED" in stderr
    assert "resuming after 60 images" in stderr
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
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "other.zip", 255 - noise())
    train_until(50, archive, tmp_path / "cut", monkeypatch)
    for name in ("cut", "fresh"):
        run(tmp_path / "other.zip", tmp_path / name)
    assert "not resumed" in capsys.readouterr().err
    assert weights(tmp_path / "cut") == weights(tmp_path / "fresh")
