"""Faults that are really caused: processes killed at any moment, full disks, damaged files."""

import itertools
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from pydoc import locate
from typing import Any

import numpy as np
import pytest
import torch
from configs import every
from hand_made import write_results
from tiers import every_nth_fast
from trained import model_spec, prepared_digits, write_weights
from typed import sample, train

from etsdm.data.archive import read_images
from etsdm.errors import UserError
from etsdm.metrics import features
from etsdm.metrics.encoders.classifier import Classifier, train_classifier
from etsdm.metrics.store import load_features
from etsdm.plan.reading import parse_solver
from etsdm.report.contents import table_files
from etsdm.report.tables.write import write_tables
from etsdm.runtime.attempts import Attempts
from etsdm.runtime.files import read_json, write_json
from etsdm.training import state

KILLS = 20
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(  # so that a process costs no imports
    [
        "etsdm.training.train",
        "torch.utils.tensorboard",
        "etsdm.sampling.sample",
        "etsdm.metrics.features",
        "etsdm.metrics.encoders.classifier",
        "etsdm.report.tables.write",
        "etsdm.plan.plan",
        "pytest",
    ]
)
Job = Callable[..., None]


def run_job(job: Job, arguments: tuple[Any, ...], begun: Connection) -> None:
    torch.set_num_threads(1)
    begun.send(None)
    job(*arguments)


def started(job: Job, *arguments: Any) -> multiprocessing.Process:
    """A process that has begun its job."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=run_job, args=(job, arguments, there))
    process.start()
    here.recv()
    return process


def finished(job: Job, *arguments: Any) -> float:
    """Run a job to its end in a process; how many seconds it took."""
    process, begun = started(job, *arguments), time.perf_counter()
    process.join()
    assert process.exitcode == 0
    return time.perf_counter() - begun


def killed_within(seconds: float, moment: int, job: Job, *arguments: Any) -> None:
    """Kill a job at a random moment of the time that it takes."""
    process = started(job, *arguments)
    time.sleep(random.Random(moment).uniform(0, seconds))
    process.kill()
    process.join()


def die_at(function: str, call: int, halfway: bool, job: Job, *arguments: Any) -> None:
    """Run a job, killed at the given call of a function: before it, or for a write, half-way through."""
    owner, _, name = function.rpartition(".")
    target = locate(owner)
    real, calls = getattr(target, name), itertools.count(1)

    def deadly(*args: Any, **named: Any) -> Any:
        if next(calls) == call:
            if halfway:
                path, content = args
                path.open("wb").write(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **named)

    setattr(target, name, deadly)
    job(*arguments)


def killed_at(function: str, call: int, job: Job, *arguments: Any, halfway: bool = False) -> None:
    process = started(die_at, function, call, halfway, job, *arguments)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def leftovers(folder: Path) -> list[Path]:
    """Temporary files, but for those in what a stage resumes from: that goes as a whole once the manifest is there."""
    left = [path.relative_to(folder) for path in folder.rglob("*.tmp")]
    return [path for path in left if not any(part == "state" or part.endswith(".parts") for part in path.parts)]


# ---------------------------------------------------------------- training


def training_spec() -> dict[str, Any]:
    spec = model_spec("etsdm")
    return spec | {"training": spec["training"] | {"images": 640, "batch": 32}}


def training(images: Path, out: Path) -> None:
    train(training_spec(), images, out, "cpu", progress=False, save_minutes=0)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copy(prepared_digits(), tmp_path_factory.mktemp("digits")))


@pytest.fixture(scope="module")
def undisturbed(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, float]:
    """Weights of a training that nothing disturbs, and the seconds it takes."""
    out = tmp_path_factory.mktemp("undisturbed")
    seconds = finished(training, digits, out)
    return (out / "weights.safetensors").read_bytes(), seconds


@pytest.mark.parametrize("moment", every_nth_fast(range(KILLS), 4))
def test_a_training_killed_at_any_moment_ends_with_the_same_weights(
    moment: int, undisturbed: tuple[bytes, float], digits: Path, tmp_path: Path
) -> None:
    weights, seconds = undisturbed
    killed_within(seconds, moment, training, digits, tmp_path)
    finished(training, digits, tmp_path)
    assert (tmp_path / "weights.safetensors").read_bytes() == weights
    assert not leftovers(tmp_path)


SAVE = {
    "before a state is flushed": ("os.fsync", False),
    "before a state gets its name": ("pathlib.Path.replace", False),
    "while a state is written": ("pathlib.Path.write_bytes", True),
    "before an old state is removed": ("pathlib.Path.unlink", False),
}


@pytest.mark.parametrize("call", every_nth_fast([7, 1], 2))
@pytest.mark.parametrize("moment", SAVE)
def test_a_training_killed_while_it_saves_ends_with_the_same_weights(
    moment: str, call: int, undisturbed: tuple[bytes, float], digits: Path, tmp_path: Path
) -> None:
    function, halfway = SAVE[moment]
    killed_at(function, call, training, digits, tmp_path, halfway=halfway)
    finished(training, digits, tmp_path)
    assert (tmp_path / "weights.safetensors").read_bytes() == undisturbed[0]
    assert not leftovers(tmp_path)


# ---------------------------------------------------------------- sampling, features, tables

SOLVER = parse_solver({"name": "ancestral", "nfe": [20]}).model_dump() | {"nfe": 20}
SAMPLES = {"solver": SOLVER, "samples": 60, "seed": 0}


def sampling(weights: Path, out: Path) -> None:
    sample(weights, SAMPLES, out, "cpu", batch=8, progress=False)


def extraction(encoder: Path, images: Path, out: Path) -> None:
    features.PART = 64
    features.extract_features("classifier", encoder, images, out, None, "cpu", batch=16, progress=False)


def tabulation(report: Path, results: Path) -> None:
    write_tables(report, results, None)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "weights.safetensors")


@pytest.fixture(scope="module")
def encoder(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    labels = [n % 10 for n in range(len(read_images(digits)))]
    write_json(folder / "dataset.json", {"labels": labels})
    settings = Classifier(name="classifier", width=4, epochs=1, batch=64, learning_rate=1e-3)
    weights = folder / "weights.safetensors"
    train_classifier(settings, digits, folder / "dataset.json", weights, torch.device("cpu"), False)
    return folder / "weights.safetensors"


@pytest.mark.slow
def test_a_sampling_killed_at_any_moment_makes_each_image_once(weights: Path, tmp_path: Path) -> None:
    seconds = finished(sampling, weights, tmp_path / "whole.zip")
    whole = (tmp_path / "whole.zip").read_bytes()
    for moment in range(10):
        out = tmp_path / f"{moment}.zip"
        killed_within(seconds, moment, sampling, weights, out)
        assert not out.exists() or out.read_bytes() == whole
        finished(sampling, weights, out)
        assert out.read_bytes() == whole
    assert not leftovers(tmp_path)


def test_a_sampling_goes_on_after_the_batches_that_are_there(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "samples.zip"
    killed_at("numpy.save", 4, sampling, weights, out)
    sampling(weights, out)
    assert "going on after 3 of 8 parts" in capsys.readouterr().err
    sampling(weights, tmp_path / "whole.zip")
    assert out.read_bytes() == (tmp_path / "whole.zip").read_bytes()


def test_batches_of_other_settings_are_not_taken_up(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "samples.zip"
    killed_at("numpy.save", 4, sampling, weights, out)
    sample(weights, SAMPLES | {"seed": 1}, out, "cpu", batch=8, progress=False)
    assert "going on" not in capsys.readouterr().err
    sample(weights, SAMPLES | {"seed": 1}, tmp_path / "whole.zip", "cpu", batch=8, progress=False)
    assert out.read_bytes() == (tmp_path / "whole.zip").read_bytes()


@pytest.mark.slow
def test_an_extraction_killed_at_any_moment_leaves_nothing_out(encoder: Path, digits: Path, tmp_path: Path) -> None:
    seconds = finished(extraction, encoder, digits, tmp_path / "whole.npz")
    whole = load_features(tmp_path / "whole.npz").features
    assert len(whole) == len(read_images(digits))
    for moment in range(10):
        out = tmp_path / f"{moment}.npz"
        killed_within(seconds, moment, extraction, encoder, digits, out)
        assert not out.exists() or np.array_equal(load_features(out).features, whole)
        finished(extraction, encoder, digits, out)
        assert np.array_equal(load_features(out).features, whole)
    assert not leftovers(tmp_path)


@pytest.mark.slow
def test_tables_killed_at_any_moment_are_whole_or_absent(tmp_path: Path) -> None:
    report = write_results(tmp_path, every())
    files = table_files(report, read_json(report / "inventory.json"))
    seconds = finished(tabulation, report, tmp_path)
    whole = {file: file.read_bytes() for file in files}
    for moment in range(10):
        shutil.rmtree(report / "tables")
        killed_within(seconds, moment, tabulation, report, tmp_path)
        assert all(file.read_bytes() == whole[file] for file in files if file.exists())
        finished(tabulation, report, tmp_path)
        assert {file: file.read_bytes() for file in files} == whole
    assert not leftovers(report)


# ---------------------------------------------------------------- full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"only root may mount a small disk: {done.stderr.strip()}"
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_a_training_that_goes_on_when_space_is_free(
    undisturbed: tuple[bytes, float], digits: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up after a few saves, in the middle of one."""
    real, calls = state.save_state, itertools.count(1)
    ballast = small_disk / "ballast"

    def save(folder: Path, content: dict[str, Any]) -> None:
        if next(calls) == 4:
            left = shutil.disk_usage(small_disk).free
            ballast.write_bytes(bytes(left - 8192))
        real(folder, content)

    out = small_disk / "run"
    with monkeypatch.context() as patch:
        patch.setattr(state, "save_state", save)
        with (
            pytest.raises(UserError, match="no space left"),
            Attempts(out / ".attempts.jsonl", out / "manifest.json").recorded(1),
        ):
            training(digits, out)
    saved = sorted(path.name[:12] for path in (out / "state").glob("*.pt"))
    assert saved == ["000000000064", "000000000096"]
    ballast.unlink()
    training(digits, out)
    assert (out / "weights.safetensors").read_bytes() == undisturbed[0]
