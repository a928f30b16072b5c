"""The cluster profiles: what they submit, with stand-ins for SLURM's commands."""

import os
import re
import time

import pytest
import yaml
from configs import every
from projects import Project, copy_project
from stand_ins import StandIns

from etsdm.benchmark.source import ROOT

PROFILES = ("slurm", "slurm-gres")
QUICK = {"retries": 0, "slurm-init-seconds-before-status-checks": 1}
"""The profiles as they are, but a refused job is not tried again, and Snakemake does not wait for states."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose results are all there, as empty files, so that any rule can be submitted at once."""
    folder = tmp_path_factory.mktemp("finished")
    copy_project(folder / "project")
    project = Project(folder / "project", environment=StandIns(folder / "bin").environment)
    project.config.write_text(yaml.safe_dump(every()))
    done = project.snakemake("--dry-run")
    assert done.returncode == 0, done.stderr
    project.outputs = [
        project.folder / output
        for outputs in re.findall(r"^ +output: (.+)$", done.stdout + done.stderr, re.MULTILINE)
        for output in outputs.split(", ")
    ]
    return project


def snakemake(project, profile, settings, *options):
    """What Snakemake says under the profile with changed settings. It submits nothing."""
    shipped = yaml.safe_load((ROOT / "workflow" / "profiles" / profile / "config.yaml").read_text())
    folder = project.folder / "my-cluster"
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(changed(shipped | QUICK, settings)))
    now = time.time()
    for output in project.outputs:  # the failed jobs of the test before have taken theirs away
        output.parent.mkdir(parents=True, exist_ok=True)
        output.touch()
        os.utime(output, (now, now))
    done = project.run("snakemake", "--configfile", str(project.config), "--profile", str(folder), *options)
    return done.stdout + done.stderr


def changed(profile, settings):
    """The profile with other settings: lines of lists are added, or take the place of those of that name."""
    merged = profile | settings
    for option in settings.keys() & {"default-resources", "set-resources", "set-threads"}:
        lines = settings[option] if isinstance(settings[option], list) else [settings[option]]
        names = {line.partition("=")[0] for line in lines}
        merged[option] = [*(line for line in profile[option] if line.partition("=")[0] not in names), *lines]
    return merged


@pytest.mark.parametrize("profile", PROFILES)
def test_every_job_has_a_time_limit(project, profile):
    """Under a profile as it is shipped, and under one that names no rule."""
    for options in ([], ["--set-resources", "train:checkpointing=1"]):
        said = snakemake(project, profile, {}, "--dry-run", "--forceall", *options)
        limits = dict(re.findall(r"^rule (\w+):\n(?: +.*\n)*?    resources: .*\bruntime=(\d+)", said, re.MULTILINE))
        assert limits.keys() == set(re.findall(r"^rule (\w+):$", said, re.MULTILINE)) > {"sample_features", "train"}
        assert [rule for rule, minutes in limits.items() if minutes == "0"] == []
