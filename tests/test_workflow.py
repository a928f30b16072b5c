"""The whole workflow by real Snakemake, and the rerun contract: what runs again after which change."""

import json
import os
import re
import shutil
import signal
import time
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from configs import write_config
from filelock import FileLock
from pages import commands
from PIL import Image
from projects import Project, copy_project
from sklearn.datasets import load_digits
from typed import train

from etsdm.cost.estimate import describe, estimate
from etsdm.plan.adopt import report_of
from etsdm.plan.plan import load_plan
from etsdm.runtime.files import read_json

pytestmark = pytest.mark.workflow
SOLVERS = "experiments.fast-sampling.solvers"
PLAN = {"inventory": 1}
REPORT = {"rows": 1, "tables": 1, "figure": 7, "page": 1, "all": 1}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project in which the tiny benchmark has run to its end, made once for all test processes."""
    shared = (
        tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else tmp_path_factory.getbasetemp()
    )
    folder = shared / "finished"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            copy_project(folder)
            project = Project(folder)
            write_config(project.config)
            done = project.snakemake("--logger", "etsdm")
            assert done.returncode == 0, done.stdout + done.stderr
            (folder / "done").write_text(done.stdout + done.stderr)
    return folder


@pytest.fixture
def project(finished, tmp_path):
    """The finished project, moved to a place of its own."""
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def test_the_report_has_every_measurement(finished):
    rows = pd.read_csv(finished / "results/reports/tiny/rows.csv")
    assert rows["value"].notna().all()
    sampled = rows[rows["experiment"] == "fast-sampling"]
    assert set(sampled["solver"]) == {"ddim", "dpm-solver-2"}
    assert set(sampled["metric"]) == {"fd-classifier-70", "kd-classifier-70"}
    assert len(sampled) == 2 * 2 * 2
    replicates = sampled.set_index("metric")["bootstrap"]
    assert [len(text.split()) for text in replicates["fd-classifier-70"]] == [50] * 4
    assert replicates["kd-classifier-70"].isna().all()
    k = rows[rows["metric"] == "K"].set_index(["method", "t"])["value"]
    assert (k["etsdm"][[10, 30, 50, 70, 90]] == 0).all()
    assert (k["ddpm"] > 0).all()
    page = (finished / "results/reports/tiny/report.html").read_text()
    for word in ("ddpm", "etsdm", "ddim", "dpm-solver-2", "fd-classifier-70"):
        assert word in page


def test_without_a_terminal_a_whole_run_is_a_few_short_lines(finished):
    said = (finished / "done").read_text()
    assert len(said.splitlines()) < 20
    assert max(map(len, said.splitlines())) < 200
    assert not re.search("localrule|Assuming|jobid|Finished", said)
    last = said.splitlines()[-1]
    assert re.fullmatch(r"(\d+) of \1 jobs done in .+; all jobs together took .+; the largest needed [\d,]+ MB", last)


NOT_RUN = [
    ["make", "demo"],
    ["make", "reproduce", "CONFIG=..."],
    ["make", "submit"],
    ["make", "LOGGER=", "..."],
    ["snakemake", "--logger", "etsdm", "..."],
    ["snakemake", "--sdm", "conda"],
    ["etsdm", "adopt", "--bundle"],
]
"""Commands of docs/running.md that are not whole, that other tests run, or that run another benchmark."""


def test_the_commands_of_the_page_on_running_do_so(project):
    """In the order of the page, with the tiny benchmark for that of the digits."""
    results = project.folder / "results"
    report = str(results / "reports" / "tiny")
    (data,) = results.glob("data/digits-*/images.zip")
    values = {
        "config/digits.yaml": "config/tiny.yaml",
        "W": str(next(results.glob("models/**/weights.safetensors"))),
        "D": str(data),
        "A": report,
        "B": report,
        "FILE": str(next(results.glob("models/**/weights.safetensors"))),
        "results/samples/.../scores.json": str(next(results.glob("samples/**/scores.json"))),
    }
    page = commands("docs/running.md")
    assert all(command in page for command in NOT_RUN)
    for command in page:
        if command not in NOT_RUN:
            tool, *words = [values.get(word, word) for word in command]
            if words[0] == "check":
                words.append("config/mine.yaml")
            if tool == "cp":
                shutil.copy(*(project.folder / word for word in words))
                continue
            done = project.make(*words) if tool == "make" else project.run(tool, *words)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    for made in ("grid.png", "k.json", "report.html"):
        assert (project.folder / made).stat().st_size > 0


def test_as_many_files_are_made_as_the_plan_says(project):
    rows = estimate(load_plan(project.config, look=False), None)
    assert project.made() == sum(row.files for row in rows)
    notes = [path for path in project.folder.glob(".snakemake/metadata/**/*") if path.is_file()]
    report = report_of(load_plan(project.config, look=False), project.folder / "results")
    made_for_the_report = 1 + sum(len(job.outputs) + 1 for job in report)  # the inventory; files and their manifest
    assert f"keeps about {len(notes) - made_for_the_report:,} small" in describe(load_plan(project.config), None)


def test_what_is_not_kept_goes_and_is_not_missed(project):
    picture = project.folder / "results/reports/tiny/figures/samples.png"
    before = picture.read_bytes()
    write_config(project.config, keep={"samples": "shown", "maps": False, "logs": False})
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    for pattern in ("samples/**/samples.zip", "samples/**/*.log", "data/**/.images.zip.*.npy"):
        assert not list(project.folder.glob(f"results/{pattern}"))
    assert project.made() == sum(row.files for row in estimate(load_plan(project.config), None))
    without_times_and_records(project)
    assert project.run("etsdm", "adopt", str(project.config)).returncode == 0
    assert project.would_run() == {}
    assert picture.read_bytes() == before
    picture.unlink()
    assert project.run("etsdm", "report", str(project.config)).returncode == 0
    assert picture.read_bytes() == before
    project.edit("etsdm/solvers/ddim.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == REPORT | {"sample": 2, "excerpt": 2, "sample_features": 2, "score": 2}


def test_all_outputs_deleted_leave_no_decoded_images(project):
    assert list(project.folder.glob("results/data/**/.images.zip.*.npy"))
    done = project.snakemake("--delete-all-output")
    assert done.returncode == 0, done.stderr
    assert not list(project.folder.glob("results/data/**/.images.zip.*.npy"))


def test_an_edited_method_retrains_its_own_networks(project):
    project.edit("etsdm/diffusion/methods/etsdm.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == REPORT | {"train": 1, "probe": 1, "sample": 2, "sample_features": 2, "score": 2}


def test_an_edited_probe_probes_again(project):
    project.edit("etsdm/probes/lipschitz.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == REPORT | {"probe": 2}


def test_an_edited_source_leaves_the_data_of_the_others_alone(project):
    project.edit("etsdm/data/sources/photos.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == {}


def test_a_dry_run_needs_no_data_and_a_real_one_says_what_is_missing(project):
    write_config(
        project.config,
        **{
            "datasets.mine": {"source": "folder", "path": "nowhere", "resolution": 8},
            "experiments.lipschitz.datasets": ["digits", "mine"],
        },
    )
    assert project.would_run()["train"] == 2
    done = project.snakemake()
    assert done.returncode == 2
    assert "datasets.mine.path: no folder 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_runs_twice_even_in_another_place(project):
    assert project.would_run() == {}


def test_a_dry_run_writes_nothing(project):
    """Nor does a plan: an inventory of more cells would be that of a run that is going on."""
    write_config(project.config, **{f"{SOLVERS}.1.nfe": [2, 4]})
    before = {file: file.stat().st_mtime_ns for file in (project.folder / "results").rglob("*")}
    assert project.would_run()["sample"] == 2
    assert project.run("etsdm", "plan", str(project.config)).returncode == 0
    assert project.snakemake("--lint").returncode == 0
    assert {file: file.stat().st_mtime_ns for file in (project.folder / "results").rglob("*")} == before


def test_touched_but_equal_inputs_cause_nothing(project):
    for pattern in ("spec.json", "images.digest", "images.zip", "inventory.json"):
        for file in project.folder.glob(f"results/**/{pattern}"):
            file.touch()
    assert project.would_run() == {}


def test_a_reworded_message_causes_nothing(project):
    """Nor does a comment, an unused function, or an edit to what only writes results down."""
    project.edit("etsdm/training/train.py", "from etsdm", "# A remark.\nfrom etsdm")
    project.edit("etsdm/training/train.py", "its images are {pixels", "its pictures are {pixels")
    project.edit("etsdm/models/unet.py", "\nclass ", "\ndef unused():\n    return 1\n\n\nclass ")
    project.edit("etsdm/runtime/manifest.py", '"cpu_seconds"', '"seconds_of_cpu"')
    assert project.would_run() == {}


def test_another_pytorch_makes_all_again_only_where_that_is_asked_for(project):
    write_config(project.config, same_torch=True)
    expected = {"encoder": 1, "train": 2, "probe": 2, "reference_features": 1, "reference": 1}
    assert project.would_run() == REPORT | expected | {"sample": 4, "sample_features": 4, "score": 4}
    assert project.run("etsdm", "adopt", str(project.config)).returncode == 0
    assert project.would_run() == {}
    for file in project.folder.glob("results/models/**/manifest.json"):
        file.write_text(file.read_text().replace('"torch": "', '"torch": "1.'))
    done = project.run("etsdm", "adopt", "--dry-run", str(project.config))
    assert done.stderr.count("made by PyTorch 1.") == 2


def test_edited_plotting_code_redraws_what_it_draws(project):
    project.edit("etsdm/report/figures/k_curves.py", "\ndef ", "\nassert __name__\n\n\ndef ")
    assert project.would_run() == {"figure": 1, "page": 1, "all": 1}


def test_an_edited_distance_scores_again_without_extracting_features(project):
    project.edit("etsdm/metrics/distances/frechet.py", "\ndef ", "\nassert __name__\n\n\ndef ")
    assert project.would_run() == REPORT | {"reference": 1, "score": 4}


def test_an_edited_solver_resamples_its_own_sets(project):
    project.edit("etsdm/solvers/ddim.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == REPORT | {"sample": 2, "sample_features": 2, "score": 2}


def test_edited_training_code_retrains(project):
    project.edit("etsdm/training/ema.py", "\nclass ", "\nassert __name__\n\n\nclass ")
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == REPORT | expected


def test_one_more_solver_samples_and_trains_nothing(project):
    write_config(project.config, **{f"{SOLVERS}.1.nfe": [2, 4]})
    assert project.would_run() == PLAN | REPORT | {"sample": 2, "sample_features": 2, "score": 2}
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    assert project.would_run() == {}


def test_one_more_seed_trains_that_seed(project):
    write_config(project.config, seeds=[0, 1])
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == PLAN | REPORT | expected


def test_another_set_of_distances_only_scores(project):
    write_config(project.config, **{"evaluation.distances": ["kernel"]})
    assert project.would_run() == PLAN | REPORT | {"reference": 1, "score": 4}


def test_more_replicates_only_score(project):
    write_config(project.config, **{"evaluation.bootstrap": 3})
    assert project.would_run() == PLAN | REPORT | {"score": 4}


def test_an_edited_network_leaves_the_classifier_alone(project):
    project.edit("etsdm/models/unet.py", "\nclass ", "\nassert __name__\n\n\nclass ")
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == REPORT | expected


def test_a_changed_learning_rate_retrains_and_keeps_data_and_encoder(project):
    write_config(project.config, **{"training.learning_rate": 2e-3})
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == PLAN | REPORT | expected


def test_what_a_failed_job_took_away_is_made_again(project):
    """Snakemake deletes the outputs of a failed job; the report of the run before is still there."""
    old, new = "    pixels = map_images(images, digest)\n", "    raise UserError('power cut')\n"
    project.edit("etsdm/training/train.py", old, new)
    done = project.snakemake("--keep-going")
    assert done.returncode == 1
    logs = [log.read_text() for log in project.folder.glob("results/models/**/train.log")]
    assert sum("etsdm: error: power cut" in log for log in logs) == 2
    project.edit("etsdm/training/train.py", new, old)
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == REPORT | expected


def test_a_lost_result_is_made_again(project):
    next(project.folder.glob("results/samples/**/dpm-solver-2-*/samples.zip")).unlink()
    assert project.would_run() == REPORT | {"sample": 1, "sample_features": 1, "score": 1}


def test_a_bad_configuration_stops_snakemake_with_exit_code_2(project):
    write_config(project.config, **{f"{SOLVERS}.0.name": "dimm"})
    done = project.snakemake()
    assert done.returncode == 2
    assert "did you mean 'ddim'?" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_values_are_those_of_snakemakes_config(fresh):
    """Merged from several files and `--config`, whose lists come as texts; a file that runs Python is refused."""
    other = fresh.config.with_name("other.yaml")
    other.write_text("name: other")
    inventory = "results/reports/other/inventory.json"
    more = ["--configfile", str(fresh.config), str(other), "--config", "seeds=[0,1]", "--cores", "1", "--", inventory]
    done = fresh.run("snakemake", *more)
    assert done.returncode == 0, done.stderr
    assert f"etsdm: merged: {fresh.config}, {other}; where they differ, the last one counts" in done.stderr
    assert read_json(fresh.folder / inventory)["config"]["seeds"] == [0, 1]
    other.write_text("name: other\n__use_yte__: true")
    done = fresh.run("snakemake", *more)
    assert done.returncode == 2
    assert f"etsdm: error: {other}: refused: __use_yte__" in done.stderr


def test_a_figure_that_cannot_be_drawn_stops_nothing(project):
    project.edit("etsdm/report/figures/k_curves.py", "    looks, networks", "    1 / 0\n    looks, networks")
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    report = project.folder / "results/reports/tiny"
    page = (report / "report.html").read_text()
    assert "This figure could not be drawn</strong>: ZeroDivisionError: division by zero" in page
    assert "Not made, because of an error: the figures lipschitz." in page[: page.index("<h1>")]
    assert "ZeroDivisionError" in (report / "figures/lipschitz.log").read_text()
    assert read_json(report / "figures/lipschitz.manifest.json")["result"]["failed"].startswith("ZeroDivisionError")
    assert project.would_run() == {}
    project.edit("etsdm/report/figures/k_curves.py", "    1 / 0\n", "")
    assert project.would_run() == {"figure": 1, "page": 1, "all": 1}


def test_snakemakes_own_report_can_be_made(project):
    """Each figure once, under the title of its section, with the caption of the page."""
    done = project.snakemake("--report", "report.html")
    assert done.returncode == 0, done.stderr
    text = (project.folder / "report.html").read_text()
    entries = re.findall(r'"labels": *{"name": *"([^"]+)"}', text)
    reports = project.folder / "results" / "reports" / "tiny"
    files = [*reports.glob("tables/*.csv"), *reports.glob("figures/*.svg")]
    assert len(entries) == len(set(entries)) == 1 + len(files)
    assert len(text) > 100_000
    for words in ("Time-Lipschitz constants", "Few-step solvers", "Change by solver", "Training loss"):
        assert words in text
    assert "both predictions at the same x_t" in text
    categories = json.loads(text.split("var categories = ")[1].split(";")[0])
    by_section = {title: [Path(file).name for file in files] for title, files in categories["Figures"].items()}
    assert by_section == {
        "Verdicts": ["verdicts.png"],
        "Time-Lipschitz constants": ["lipschitz.png"],
        "Few-step solvers": ["fast-sampling-changes.png", "fast-sampling.png"],
        "Data": ["data.png"],
        "Samples": ["samples.png"],
        "Training": ["losses.png"],
    }


# ---------------------------------------------------------------- data and results that are moved

OWN = {
    "datasets": {"own": {"source": "folder", "path": "raw", "resolution": 8, "channels": 1}},
    "experiments": {"lipschitz": {"datasets": ["own"], "methods": ["ddpm"], "images": 8}},
}


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
    made = weights.stat().st_mtime_ns
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
    assert (prepared_again(), project.would_run(), weights.stat().st_mtime_ns) == (set(), {}, made)

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


def without_times_and_records(project):
    """As after a copy that keeps no times, into a new clone."""
    shutil.rmtree(project.folder / ".snakemake")
    files = [path.relative_to(project.folder) for path in project.folder.glob("results/**/*") if path.is_file()]
    for second, file in enumerate(sorted(files, key=lambda file: sha256(str(file).encode()).hexdigest())):
        os.utime(project.folder / file, (1_700_000_000 + second, 1_700_000_000 + second))


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


# ---------------------------------------------------------------- interruptions

ONE_TRAINING = {
    "training.images": 12_800,
    "experiments": {"lipschitz": {"datasets": ["digits"], "methods": ["ddpm"], "images": 8}},
}


@pytest.fixture
def fresh(tmp_path):
    """A project in which one training of some seconds is asked for and nothing has run."""
    copy_project(tmp_path / "fresh")
    project = Project(tmp_path / "fresh")
    write_config(project.config, **ONE_TRAINING)
    yield project
    project.stop()


def start_training(project, *given):
    """Start the workflow, with the options given, and wait until its training has saved a state."""
    options = ["--cores", "2", "--rerun-incomplete", "--set-resources", "train:save_minutes=0", *given]
    workflow = project.start("snakemake", "--configfile", str(project.config), *options)
    while not list(project.folder.glob("results/models/**/state/*.pt")):
        assert workflow.poll() is None, (project.folder / "snakemake.out").read_text()
        time.sleep(0.1)
    return workflow


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
    made = read_json(next(fresh.folder.glob("results/models/**/manifest.json")))
    assert len(made["attempts"]) >= 2
    images = next(fresh.folder.glob("results/data/**/images.zip"))
    train(made["spec"], images, tmp_path / "undisturbed", "cpu", progress=False)
    weights = next(fresh.folder.glob("results/models/**/weights.safetensors")).read_bytes()
    assert weights == (tmp_path / "undisturbed" / "weights.safetensors").read_bytes()


def test_a_workflow_that_is_told_to_stop_leaves_nothing_half_done(fresh):
    workflow = start_training(fresh, "--logger", "etsdm")
    os.killpg(workflow.pid, signal.SIGINT)  # as a terminal does
    assert workflow.wait(300) != 0
    said = (fresh.folder / "snakemake.out").read_text().splitlines()
    assert "Stopping: the running jobs save what they have and leave." in said, "\n".join(said)
    assert "Interrupted: train digits-8px ddpm-linear seed0" in said
    assert not [line for line in said if line.startswith(("Error", "Failed"))]
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
    made = read_json(next(fresh.folder.glob("results/models/**/manifest.json")))
    ends = [attempt["exit"] for attempt in made["attempts"]]
    assert ends == ["interrupted", "interrupted", None]


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


def test_a_lost_manifest_or_curve_of_a_short_training_trains_again(project):
    expected = {"train": 1, "probe": 1, "sample": 2, "sample_features": 2, "score": 2}
    for name in ("manifest.json", "metrics.jsonl"):
        file = next(project.folder.glob(f"results/models/**/{name}"))
        content = file.read_bytes()
        file.unlink()
        assert project.would_run() == REPORT | expected
        file.write_bytes(content)
