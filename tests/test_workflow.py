"""The whole workflow by real Snakemake: what it makes, says and refuses."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from blocks import SOLVERS
from configs import write_config
from pages import commands
from projects import REPORT, without_times_and_records

from etsdm.cost.describe import describe
from etsdm.cost.estimate import estimate
from etsdm.plan.adopt import report_of
from etsdm.plan.plan import load_plan
from etsdm.runtime.files import read_json

pytestmark = pytest.mark.workflow


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
    output = (finished / "printed.txt").read_text()
    assert len(output.splitlines()) < 20
    assert max(map(len, output.splitlines())) < 200
    assert not re.search("localrule|Assuming|jobid|Finished", output)
    last = output.splitlines()[-1]
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


@pytest.mark.slow
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
    for file in ("grid.png", "k.json", "report.html"):
        assert (project.folder / file).stat().st_size > 0


def test_as_many_files_are_made_as_the_plan_says(project):
    rows = estimate(load_plan(project.config, look=False), None)
    assert project.file_count() == sum(row.files for row in rows)
    notes = [path for path in project.folder.glob(".snakemake/metadata/**/*") if path.is_file()]
    report = report_of(load_plan(project.config, look=False), project.folder / "results")
    made_for_the_report = 1 + sum(len(job.outputs) + 1 for job in report)  # the inventory; files and their manifest
    assert f"keeps about {len(notes) - made_for_the_report:,} small" in describe(load_plan(project.config), None)


@pytest.mark.slow
def test_what_is_not_kept_goes_and_is_not_missed(project):
    picture = project.folder / "results/reports/tiny/figures/samples.png"
    before = picture.read_bytes()
    write_config(project.config, keep={"samples": "shown", "maps": False, "logs": False})
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    for pattern in ("samples/**/samples.zip", "samples/**/*.log", "data/**/.images.zip.*.npy"):
        assert not list(project.folder.glob(f"results/{pattern}"))
    assert project.file_count() == sum(row.files for row in estimate(load_plan(project.config), None))
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


def test_a_dry_run_writes_nothing(project):
    """Nor does a plan: an inventory of more cells would be that of a run that is going on."""
    write_config(project.config, **{f"{SOLVERS}.1.nfe": [2, 4]})
    before = {file: file.stat().st_mtime_ns for file in (project.folder / "results").rglob("*")}
    assert project.would_run()["sample"] == 2
    assert project.run("etsdm", "plan", str(project.config)).returncode == 0
    assert project.snakemake("--lint").returncode == 0
    assert {file: file.stat().st_mtime_ns for file in (project.folder / "results").rglob("*")} == before


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


@pytest.mark.slow
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
