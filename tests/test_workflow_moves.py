"""Data and results that are moved, and taken over in another place."""

import shutil

import pytest
from configs import write_config
from PIL import Image
from projects import PLAN, REPORT, Project, copy_project, without_times_and_records
from sklearn.datasets import load_digits

pytestmark = pytest.mark.workflow


def test_nothing_runs_twice_even_in_another_place(project):
    assert project.would_run() == {}


OWN = {
    "datasets": {"own": {"source": "folder", "path": "raw", "resolution": 8, "channels": 1}},
    "experiments": {"lipschitz": {"datasets": ["own"], "methods": ["ddpm"], "images": 8}},
}


@pytest.mark.slow
def test_images_that_are_moved_renamed_touched_or_lost_train_nothing_again(tmp_path):
    """What is made from them is compared by content; and an edit that keeps a file's name and size is noticed."""
    copy_project(tmp_path / "own")
    project = Project(tmp_path / "own")
    raw, moved = project.folder / "raw", project.folder / "photos of mine"
    write_digits(raw, 40)
    write_config(project.config, **OWN)

    def prepared_again() -> set[str]:
        """The data sets that are, as `make reproduce` does it: what is outdated first."""
        outdated = project.run("etsdm", "check", "--outdated", str(project.config)).stdout.split()
        if outdated:
            done = project.snakemake(*outdated)
            assert done.returncode == 0, done.stderr
        return {file.rpartition("/")[0] for file in outdated}

    assert prepared_again() == set()
    done = project.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    weights = next(project.folder.glob("results/models/**/weights.safetensors"))
    mtime = weights.stat().st_mtime_ns
    assert prepared_again() == set()
    assert project.would_run() == {}

    raw.rename(moved)
    write_config(project.config, **OWN | {"datasets.own.path": moved.name})
    for file in moved.rglob("*.bmp"):
        file.touch()
    assert len(prepared_again()) == 1
    assert project.would_run() == PLAN | REPORT | {"figure": 4}
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    assert (prepared_again(), project.would_run(), weights.stat().st_mtime_ns) == (set(), {}, mtime)

    shutil.move(moved, tmp_path / "elsewhere")
    assert (prepared_again(), project.would_run()) == (set(), {})
    done = project.run("etsdm", "check", str(project.config))
    assert done.returncode == 0, done.stderr
    assert "no source at 'photos of mine' any more; the images that were prepared from it serve" in done.stdout
    project.edit("etsdm/data/sources/folder.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert (prepared_again(), project.would_run()) == (set(), {}), "they cannot be prepared again"
    project.edit("etsdm/data/sources/folder.py", "\nEDITED = True\n\n\ndef ", "\ndef ")
    write_config(project.config, **OWN | {"datasets.own.path": "nowhere"})
    done = project.run("etsdm", "check", str(project.config))
    assert (done.returncode, "no folder 'nowhere'" in done.stderr) == (2, True), "they were prepared from elsewhere"
    write_config(project.config, **OWN | {"datasets.own.path": moved.name})
    done = project.snakemake("--forcerun", "probe")
    assert done.returncode == 0, done.stderr

    shutil.move(tmp_path / "elsewhere", moved)
    for file in moved.rglob("*.bmp"):
        file.touch()
    without_times_and_records(project)
    done = project.run("etsdm", "adopt", str(project.config))
    assert (done.returncode, "its source has other files or times by now" in done.stderr) == (1, True)
    assert project.would_run()["prepare"] == 1, "a changed source is never taken for the one that was prepared"
    assert len(prepared_again()) == 1
    assert "train" not in project.would_run()

    first, other = moved / "00.bmp", moved / "10.bmp"
    assert first.stat().st_size == other.stat().st_size
    first.write_bytes(other.read_bytes())
    assert len(prepared_again()) == 1
    assert project.would_run()["train"] == 1


def write_digits(folder, count):
    """The first of scikit-learn's digits as images."""
    folder.mkdir()
    for number, digit in enumerate(load_digits().images[:count]):
        Image.fromarray((digit * 15).astype("uint8")).save(folder / f"{number:02d}.bmp")


@pytest.mark.slow
def test_a_bundle_is_taken_over_in_another_place(project):
    """Without times and records, as a copy is. A part of it is taken over as far as it goes."""
    kinds = ("data", "weights", "samples", "features")
    done = project.run("etsdm", "bundle", str(project.config), *(f"--include={kind}" for kind in kinds))
    assert done.returncode == 0, done.stderr
    done = project.run("etsdm", "bundle", str(project.config), "--out", "small.zip")
    assert done.returncode == 0, done.stderr
    results = project.folder / "results"
    for left in (results, project.folder / ".snakemake"):
        shutil.rmtree(left)
    (whole,) = (file for file in project.folder.glob("*.zip") if file.name != "small.zip")
    assert (project.folder / "small.zip").stat().st_size < whole.stat().st_size / 2
    done = project.run("etsdm", "adopt", str(project.config), "--bundle", "small.zip")
    assert "images.zip" not in done.stdout and (results / "reports").exists()
    assert project.would_run()["train"] == 2, "weights are not in it"
    done = project.run("etsdm", "adopt", str(project.config), "--bundle", str(whole))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "30 results are taken over, 0 not"), done.stderr
    assert project.would_run() == {}
    write_config(project.config, **{"evaluation.bootstrap": 3})
    assert project.would_run() == PLAN | REPORT | {"score": 4}, "Snakemake's records are not there"


@pytest.mark.slow
def test_only_results_that_are_right_are_taken_over(project):
    """A damaged one, one of other code, one of other settings, and what is made from them, are made again."""
    damaged = next(project.folder.glob("results/models/*/ddpm-*/**/weights.safetensors"))
    damaged.write_bytes(bytes(byte ^ 1 for byte in damaged.read_bytes()))
    project.edit("etsdm/solvers/ddim.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    without_times_and_records(project)
    done = project.run("etsdm", "adopt", str(project.config))
    assert done.returncode == 1
    assert "weights.safetensors is not what its manifest says that was made" in done.stderr
    assert "made by other code" in done.stderr
    expected = {"train": 1, "probe": 1, "sample": 3, "sample_features": 3, "score": 3}
    assert project.would_run() == REPORT | expected
    shutil.copy(next(project.folder.glob("results/models/*/etsdm-*/**/weights.safetensors")), damaged)
    for file in project.folder.glob("results/samples/*/*/*/*/manifest.json"):  # as of a version that named less code
        file.write_text(file.read_text().replace(" etsdm.diffusion.schedules.linear", ""))
    done = project.run("etsdm", "adopt", "--any-code", str(project.config))
    assert "made by" not in done.stderr
    assert project.would_run() == REPORT | expected | {"sample": 2, "sample_features": 2, "score": 2}
