"""What Snakemake, its users and its catalogue of workflows expect of a workflow."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from configs import write_config
from projects import Project, copy_project

from etsdm.fingerprint import ROOT

DOCUMENTATION = (ROOT / "docs" / "module.md").read_text(encoding="utf-8")
OUTER = re.findall(r"^```python\n(.*?)^```", DOCUMENTATION, re.MULTILINE | re.DOTALL)[0]
SOURCES = [ROOT / "workflow" / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
SHORT = {"all", "excerpt", "inventory", "rows", "tables", "figure", "page"}
"""Rules that run on the login node of a cluster."""
PICKED_UP = "Using workflow specific profile profiles/default for setting default command line arguments."


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project in which nothing has run, and nothing does."""
    folder = tmp_path_factory.mktemp("conventions") / "project"
    copy_project(folder)
    project = Project(folder)
    write_config(project.config)
    return project


@pytest.mark.parametrize("snakefile", [[], ["--snakefile", "workflow/Snakefile"]])
def test_plain_snakemake_takes_the_default_profile(project, snakefile):
    """Without --cores and --profile, from the Snakefile at the top and from that in workflow/."""
    done = project.run("snakemake", *snakefile, "--configfile", str(project.config), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert PICKED_UP in done.stderr
    assert "rule page:" in done.stdout + done.stderr


def test_the_default_configuration_is_the_demo(project):
    """Without --configfile: of a copy of config/ that stands elsewhere, as the catalogue's tools make it, too."""
    done = project.run("snakemake", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "results/reports/digits/report.html" in done.stdout + done.stderr


def test_a_configuration_with_a_base_is_resolved_below_the_options(project):
    """By Snakemake as by `etsdm`, relative to the file, with --config on top."""
    file = project.folder / "config" / "more" / "variant.yaml"
    file.parent.mkdir()
    file.write_text("base: ../tiny.yaml\nname: variant\nexperiments: {lipschitz: null}\n")
    done = project.run("snakemake", "--dry-run", "--configfile", str(file), "--config", "seeds=[5,6]")
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    assert "results/reports/variant/report.html" in output
    assert set(re.findall(r"/seed(\d+)/", output)) == {"5", "6"}
    assert "rule train:" in output and "rule probe:" not in output


@pytest.fixture
def outer(project, tmp_path):
    """The workflow of docs/module.md, which uses this one as a module."""
    shutil.copy(project.config, tmp_path / "mine.yaml")
    text = OUTER.replace("path/to/etsdm", str(project.folder)).replace("config/mine.yaml", "mine.yaml")
    (tmp_path / "Snakefile").write_text(text)
    return tmp_path


def plan_of(project, folder, *arguments):
    """What a dry run in another folder says."""
    done = project.run("snakemake", "--directory", str(folder), "--snakefile", str(folder / "Snakefile"), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_as_a_module_every_path_has_the_prefix(project, outer):
    output = plan_of(project, outer, "--dry-run", "--printshellcmds")
    assert "rule etsdm_page:" in output
    assert set(re.findall(r"[\w/]*results/", output)) == {"benchmark/results/"}


def test_as_a_module_without_prefix_results_lie_in_the_folder(project, outer):
    snakefile = outer / "Snakefile"
    snakefile.write_text(re.sub(r"    prefix:\n.*\n", "", snakefile.read_text()))
    output = plan_of(project, outer, "--dry-run", "--printshellcmds")
    assert "rule etsdm_page:" in output
    assert set(re.findall(r"[\w/]*results/", output)) == {"results/"}


def test_as_a_module_short_rules_stay_on_the_login_node(project, outer):
    with (outer / "Snakefile").open("a") as snakefile:
        snakefile.write('print("local:", *workflow._localrules)')
    output = plan_of(project, outer, "--dry-run")
    (local,) = re.findall(r"^local: (.+)$", output, re.MULTILINE)
    assert set(local.split()) == {f"etsdm_{rule}" for rule in SHORT}


@pytest.mark.slow
@pytest.mark.workflow
def test_the_small_benchmark_of_the_catalogue_runs(tmp_path):
    """As the actions of Snakemake's catalogue of workflows run it."""
    copy_project(tmp_path)
    shutil.copytree(ROOT / ".test" / "config", tmp_path / ".test" / "config")
    done = Project(tmp_path).run("snakemake", "--directory", ".test", "--snakefile", "workflow/Snakefile")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".test" / "results" / "reports" / "test" / "report.html").is_file()


def test_the_catalogue_is_told_how_to_run_it():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    assert (ROOT / "config" / "README.md").is_file()


def test_every_rule_says_what_it_does(project):
    """`snakemake --list` shows it."""
    listed = project.run("snakemake", "--list").stdout
    rules = re.findall(r"^rule (\w+):", "".join(map(Path.read_text, SOURCES)), re.MULTILINE)
    assert set(re.findall(r"^(\w+) \(", listed, re.MULTILINE)) == set(rules)
