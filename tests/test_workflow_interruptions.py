"""Workflows that are killed, stopped or damaged go on."""

import json
import os
import signal
import time

import pytest
from configs import write_config
from projects import ONE_TRAINING, REPORT
from typed import train

from etsdm.runtime.files import read_json

pytestmark = pytest.mark.workflow


def start_training(project, *extra_options):
    """Start the workflow, with the options given, and wait until its training has saved a state."""
    options = ["--cores", "2", "--rerun-incomplete", "--set-resources", "train:save_minutes=0", *extra_options]
    workflow = project.start("snakemake", "--configfile", str(project.config), *options)
    while not list(project.folder.glob("results/models/**/state/*.pt")):
        assert workflow.poll() is None, (project.folder / "snakemake.out").read_text()
        time.sleep(0.1)
    return workflow


@pytest.mark.slow
def test_a_killed_workflow_goes_on_from_what_its_training_has_saved(fresh, tmp_path):
    """Snakemake is killed and its training is not: the next run is refused, then unlocked, and takes over.

    The training is stopped in the meantime, so that it is not over before a slow machine has started Snakemake.
    """
    write_config(fresh.config, **ONE_TRAINING | {"training.images": 32_000})
    workflow = start_training(fresh)
    history = next(fresh.folder.glob("results/models/**/.manifest.attempts.jsonl"))
    orphan = json.loads(history.read_text().splitlines()[0])["pid"]
    os.kill(orphan, signal.SIGSTOP)
    refused = fresh.snakemake()
    assert refused.returncode == 1
    assert "LockException" in refused.stderr
    workflow.kill()
    workflow.wait()
    assert fresh.snakemake().returncode == 1
    assert fresh.snakemake("--unlock").returncode == 0
    os.kill(orphan, signal.SIGCONT)
    done = fresh.snakemake("--rerun-incomplete")
    assert done.returncode == 0, done.stderr
    manifest = read_json(next(fresh.folder.glob("results/models/**/manifest.json")))
    assert len(manifest["attempts"]) >= 2
    images = next(fresh.folder.glob("results/data/**/images.zip"))
    train(manifest["spec"], images, tmp_path / "undisturbed", "cpu", progress=False)
    weights = next(fresh.folder.glob("results/models/**/weights.safetensors")).read_bytes()
    assert weights == (tmp_path / "undisturbed" / "weights.safetensors").read_bytes()


@pytest.mark.slow
def test_a_workflow_that_is_told_to_stop_leaves_nothing_half_done(fresh):
    workflow = start_training(fresh, "--logger", "etsdm")
    os.killpg(workflow.pid, signal.SIGINT)  # as a terminal does
    assert workflow.wait(300) != 0
    lines = (fresh.folder / "snakemake.out").read_text().splitlines()
    assert "Stopping: the running jobs save what they have and leave." in lines, "\n".join(lines)
    assert "Interrupted: train digits-8px ddpm-linear seed0" in lines
    assert not [line for line in lines if line.startswith(("Error", "Failed"))]
    assert not list(fresh.folder.glob("results/models/**/weights.safetensors"))
    done = fresh.snakemake("--rerun-incomplete")
    assert done.returncode == 0, done.stderr
    assert fresh.would_run() == {}


def test_a_fatal_error_does_not_burn_the_retries(fresh):
    old, new = "    pixels = map_images(images, digest)\n", "    raise UserError('no good')\n"
    fresh.edit("etsdm/training/train.py", old, new)
    done = fresh.snakemake("--retries", "3")
    assert done.returncode == 1
    log = next(fresh.folder.glob("results/models/**/train.log")).read_text()
    assert log.splitlines() == [
        "etsdm: error: no good",
        "etsdm: error: the attempt before failed in the same way, so another one would fail, too",
    ]


@pytest.mark.slow
def test_code_edited_while_a_run_goes_on_is_refused(fresh):
    """The probe is broken while the training goes on: what it would measure is not taken for what was planned."""
    workflow = start_training(fresh)
    fresh.edit("etsdm/probes/lipschitz.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert workflow.wait(300) == 1
    log = next(fresh.folder.glob("results/probes/**/probe.log")).read_text()
    assert "etsdm: error: the code of 'probe etsdm.probes.lipschitz etsdm.diffusion.methods.ddpm " in log
    assert not list(fresh.folder.glob("results/probes/**/result.json"))
    fresh.edit("etsdm/probes/lipschitz.py", "\nEDITED = True\n\n\ndef ", "\ndef ")
    assert fresh.would_run() == REPORT | {"probe": 1, "figure": 4}


@pytest.mark.slow
def test_a_job_short_of_time_goes_on_in_its_next_attempt(fresh):
    """400 steps in slices of 150: the clock is made to count steps, which take longer on a busy machine."""
    clock = "time.monotonic() >= self._until"
    fresh.edit("etsdm/runtime/stop.py", "import signal\n", "import itertools\nimport signal\n")
    fresh.edit(
        "etsdm/runtime/stop.py",
        "        self._signalled = False\n",
        "        self._signalled, self._steps = False, itertools.count(1)\n",
    )
    fresh.edit("etsdm/runtime/stop.py", clock, "next(self._steps) >= 150")
    done = fresh.snakemake("--retries", "2", "--set-resources", "train:runtime=5")
    assert done.returncode == 0, done.stderr
    manifest = read_json(next(fresh.folder.glob("results/models/**/manifest.json")))
    ends = [attempt["exit"] for attempt in manifest["attempts"]]
    assert ends == ["interrupted", "interrupted", None]


@pytest.mark.slow
def test_a_damaged_network_is_trained_again_when_that_is_asked_for(project):
    """Until then no job starts, and no result is taken away."""
    weights = next(project.folder.glob("results/models/**/weights.safetensors"))
    right, place = weights.read_bytes(), weights.relative_to(project.folder)
    before = list(project.folder.rglob("scores.json"))
    weights.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    assert project.snakemake("--dry-run").returncode == 0
    for _ in range(2):
        done = project.snakemake()
        assert done.returncode == 2
        assert f"or give `etsdm redo {place}`" in done.stderr
    assert list(project.folder.rglob("scores.json")) == before
    assert project.run("etsdm", "redo", str(place)).returncode == 0
    done = project.snakemake("--until", "train")
    assert done.returncode == 0, done.stderr
    assert weights.read_bytes() == right
    assert project.would_run() == REPORT  # what else was made from the weights is what it was


def test_lost_and_damaged_data_are_put_back_and_nothing_runs(project):
    folder = next(project.folder.glob("results/data/*"))
    (folder / "images.zip").unlink()
    (folder / "dataset.json").write_text("{}")
    assert project.would_run() == {}
    (folder / "manifest.json").unlink()
    assert project.would_run() == {}
    assert (folder / "dataset.json.damaged").exists()


@pytest.mark.slow
def test_a_lost_manifest_or_curve_of_a_short_training_trains_again(project):
    expected = {"train": 1, "probe": 1, "sample": 2, "sample_features": 2, "score": 2}
    for name in ("manifest.json", "metrics.jsonl"):
        file = next(project.folder.glob(f"results/models/**/{name}"))
        content = file.read_bytes()
        file.unlink()
        assert project.would_run() == REPORT | expected
        file.write_bytes(content)
