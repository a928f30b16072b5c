"""Several processes: the same network, the same images, the same features as one process makes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from trained import model_spec, prepared_digits, write_weights

from etsdm.data.archive import read_images
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.encoders.classifier import Classifier, train_classifier
from etsdm.metrics.store import load_features
from etsdm.models.weights import load_weights
from etsdm.runtime.files import read_json, write_json
from etsdm.runtime.processes import Processes

ETSDM = Path(sys.executable).with_name("etsdm")


def command(stage: str, processes: int, **options: Any) -> list[str]:
    named = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return [str(ETSDM), stage, "--processes", str(processes), *named, "--device", "cpu"]


def run(stage: str, processes: int, **options: Any) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(stage, processes, **options), env=environment, capture_output=True, text=True, check=False
    )


def both(stage: str, **options: Any) -> None:
    """Run a stage in one process and in two; `out` says where by a pattern."""
    for processes in (1, 2):
        arguments = {name: str(value).format(processes) for name, value in options.items()}
        done = run(stage, processes, **arguments)
        assert done.returncode == 0, done.stderr


def spec_file(folder: Path, method: str, steps: int, **training: Any) -> Path:
    spec = model_spec(method)
    spec["training"] |= {"batch": 25, "images": 25 * steps} | training
    write_json(folder / "spec.json", spec)
    return folder / "spec.json"


def largest_difference(folder: Path, name: str = "weights.safetensors") -> float:
    one, two = (load_weights(folder / str(n) / name)[0] for n in (1, 2))
    return max(float((one[name] - two[name]).abs().max()) for name in one)


def test_shares_are_all_of_it_once() -> None:
    for total in (0, 1, 7, 64):
        for count in (1, 2, 3, 8):
            shares = [Processes(rank, count).share(total) for rank in range(count)]
            assert [n for share in shares for n in range(total)[share]] == list(range(total))


def test_two_processes_train_the_network_that_one_trains(tmp_path: Path) -> None:
    """A batch of 25, so that the shares differ. The learning rate is the paper's: Adam magnifies the last bits of a sum
    by it, in one process with other micro-batches just as in two.
    """
    kept = {"images": [1000], "ema_half_lives": [100]}
    spec = spec_file(tmp_path, "etsdm", 200, learning_rate=1e-4, snapshots=kept)
    both("train", spec=spec, data=prepared_digits(), out=tmp_path / "{}")
    assert largest_difference(tmp_path) < 1e-5
    assert largest_difference(tmp_path, "snapshot-1000-ema100.safetensors") < 1e-5
    one, two = (pd.read_json(tmp_path / str(n) / "metrics.jsonl", lines=True) for n in (1, 2))
    assert len(one) == len(two) == 200
    for column in ("loss", "loss_q0", "loss_q3", "grad_norm"):
        np.testing.assert_allclose(one[column], two[column], rtol=1e-3)
    manifest = read_json(tmp_path / "2" / "manifest.json")
    assert manifest["result"]["images"] == 5000
    assert set(manifest["outputs"]) >= {"weights.safetensors", "snapshot-1000-ema100.safetensors"}
    assert [attempt["exit"] for attempt in manifest["attempts"]] == [None]


@pytest.mark.slow
def test_two_processes_train_with_micro_batches_and_a_derivative(tmp_path: Path) -> None:
    """Gradients add up over micro-batches, and the penalty is a forward-mode derivative of the network."""
    spec = spec_file(tmp_path, "etsdm", 20, learning_rate=1e-4)
    values = read_json(spec)
    values["method"] = {"name": "regularization", "t_tilde": 100, "weight": 0.1, "estimator": "forward-mode"}
    write_json(spec, values)
    both("train", spec=spec, data=prepared_digits(), out=tmp_path / "{}", micro_batch=5)
    assert largest_difference(tmp_path) < 1e-5


@pytest.mark.slow
def test_what_two_processes_have_saved_one_goes_on_from(tmp_path: Path) -> None:
    spec, out = spec_file(tmp_path, "etsdm", 4000), tmp_path / "run"
    options = {"spec": spec, "data": prepared_digits(), "out": out}
    argv = command("train", 2, **options, save_minutes=0)
    with subprocess.Popen(argv, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True) as job:
        while not list((out / "state").glob("*.pt")):
            assert job.poll() is None
            time.sleep(0.1)
        job.send_signal(signal.SIGTERM)
        stderr = job.stderr.read()
    assert job.returncode == os.EX_TEMPFAIL, stderr
    assert "the same command goes on" in stderr
    spec_of_the_rest = ["--minutes", "0.0001", *argv[1:]]
    spec_of_the_rest[spec_of_the_rest.index("--processes") + 1] = "1"
    done = subprocess.run([str(ETSDM), *spec_of_the_rest], capture_output=True, text=True, check=False)
    assert "resuming after" in done.stderr
    assert done.returncode == os.EX_TEMPFAIL


def test_a_mistake_is_one_message_and_exit_code_2_in_several_processes(tmp_path: Path) -> None:
    spec = spec_file(tmp_path, "etsdm", 1, batch=1)
    done = run("train", 2, spec=spec, data=prepared_digits(), out=tmp_path / "run")
    assert done.returncode == 2
    assert "a batch of 1 cannot be shared by 2 processes" in done.stderr
    assert not (tmp_path / "run" / "weights.safetensors").exists()


@pytest.mark.slow
def test_two_processes_make_the_images_and_features_that_one_makes(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "weights.safetensors")
    options = {"weights": weights, "solver": "ancestral", "nfe": 10, "count": 150, "batch": 16}
    both("sample", **options, out=tmp_path / "{}.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert len(read_images(tmp_path / "2.zip")) == 150

    write_json(tmp_path / "dataset.json", {"labels": [n % 10 for n in range(len(read_images(prepared_digits())))]})
    settings = Classifier(name="classifier", width=4, epochs=1, batch=64, learning_rate=1e-3)
    encoder = tmp_path / "encoder.safetensors"
    train_classifier(settings, prepared_digits(), tmp_path / "dataset.json", encoder, torch.device("cpu"), False)
    both("features", encoder="classifier", weights=encoder, images=prepared_digits(), out=tmp_path / "{}.npz")
    one, two = (load_features(tmp_path / f"{n}.npz").features for n in (1, 2))
    assert one.shape == (1797, 64)
    samples = np.random.default_rng(0).normal(size=(200, 64))
    assert Frechet.between(samples, two) == pytest.approx(Frechet.between(samples, one), rel=1e-9)
