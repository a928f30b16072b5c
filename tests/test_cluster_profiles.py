"""The cluster profiles and every line of docs/slurm.md: what they submit, with stand-ins for SLURM's commands."""

import os
import re
import time

import pytest
import yaml
from configs import every
from projects import Project, copy_project
from stand_ins import StandIns
from tiers import every_nth_fast

from etsdm.fingerprint import ROOT

PROFILES = ("slurm", "slurm-gres")
DOCUMENTATION = (ROOT / "docs" / "slurm.md").read_text(encoding="utf-8")
OF_A_RULE = re.compile(r"([a-z_]+):[a-z_]+=")
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
    (folder / "partitions.yaml").write_text(yaml.safe_dump({"partitions": {"cpu": {}, "gpu": {"max_gpu": 4}}}))
    (folder / "config.yaml").write_text(yaml.safe_dump(changed(shipped | QUICK, settings)))
    now = time.time()
    for output in project.outputs:  # the failed jobs of the test before have taken theirs away
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("{}" if output.suffix == ".json" else "")
        os.utime(output, (now, now))
    done = project.run("snakemake", "--configfile", str(project.config), "--workflow-profile", str(folder), *options)
    return done.stdout + done.stderr


def changed(profile, settings):
    """The profile with other settings: lines of lists are added, or take the place of those of that name."""
    merged = profile | settings
    for option in settings.keys() & {"default-resources", "set-resources", "set-threads"}:
        lines = settings[option] if isinstance(settings[option], list) else [settings[option]]
        names = {line.partition("=")[0] for line in lines}
        merged[option] = [*(line for line in profile[option] if line.partition("=")[0] not in names), *lines]
    return merged


@pytest.mark.parametrize("profile", every_nth_fast(PROFILES, 2))
def test_every_job_has_a_time_limit(project, profile):
    """Under a profile as it is shipped, and under one that names no rule."""
    for options in ([], ["--set-resources", "train:checkpointing=1"]):
        output = snakemake(project, profile, {}, "--dry-run", "--forceall", *options)
        limits = dict(re.findall(r"^rule (\w+):\n(?: +.*\n)*?    resources: .*\bruntime=(\d+)", output, re.MULTILINE))
        assert limits.keys() == set(re.findall(r"^rule (\w+):$", output, re.MULTILINE)) > {"sample_features", "train"}
        assert [rule for rule, minutes in limits.items() if minutes == "0"] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_jobs_that_may_be_an_array_ask_for_the_same(project, profile):
    """An array asks for what its first job asks for."""
    output = snakemake(project, profile, {}, "--dry-run", "--forceall")
    for rule in re.search("slurm-array-jobs: (.+)", DOCUMENTATION)[1].split(","):
        asks = rf"^rule {rule}:\n(?: +.*\n)*?((?:    threads: .*\n)?    resources: .*)$"
        resources = re.findall(asks, output, re.MULTILINE)
        assert len(resources) > 1
        assert len(set(resources)) == 1


@pytest.mark.slow
def test_arrays_of_which_jobs_would_be_forgotten_are_refused(project):
    for few in ({"jobs": 2}, {"jobs": 5000, "max-jobs-per-timespan": "2/1m"}):
        output = snakemake(project, "slurm", {"slurm-array-jobs": "sample"} | few, "--forcerun", "sample")
        assert "jobs are to run, and at most 2 may be in the queue" in output
        assert "sbatch" not in output


@pytest.mark.slow
def test_a_lost_gpu_is_told_of(project):
    without = snakemake(project, "slurm", {}, "--forcerun", "theory", "--set-resources", "train:checkpointing=1")
    assert without.count("etsdm: warning: no job asks for a GPU") == 1
    for profile in PROFILES:
        assert "warning: no job" not in snakemake(project, profile, {}, "--forcerun", "theory")


@pytest.mark.slow
def test_two_profiles_at_a_time_are_told_of(project):
    """Snakemake adds the profile for one machine to one that is given by `--profile`."""
    warning = "etsdm: warning: all jobs together get"
    assert warning not in snakemake(project, "slurm", {}, "--forcerun", "theory")
    options = ["--profile", str(project.folder / "my-cluster"), "--workflow-profile", "default", "--forcerun", "theory"]
    assert snakemake(project, "slurm", {}, *options).count(warning) == 1


def documented():
    """Settings that docs/slurm.md tells: the options in its tables and text, and each block of YAML as a whole."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", DOCUMENTATION, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", DOCUMENTATION, flags=re.MULTILINE | re.DOTALL)
    lines = [span for span in re.findall(r"`([^`\n]+)`", rest) if OF_A_RULE.match(span) or re.match(r"[a-z-]+: ", span)]
    return list(dict.fromkeys([*lines, *blocks]))


SUBMITTED = {
    "default-resources: slurm_partition=gpu": "-p gpu",
    "default-resources: slurm_account=your-project": "-A your-project",
    "default-resources: qos=long": "--qos=long",
    "train:qos=long": "--qos=long",
    "slurm-reservation: course": "--reservation=course",
    "jobs: 20": "-t 240",
    "max-jobs-per-timespan: 20/1m": "-t 240",
    "slurm-partition-config: my-cluster/partitions.yaml": "-p gpu",
    "slurm-efficiency-report: true": "-t 240",
    "jobs: 5000\nslurm-array-jobs: sample,sample_features,score\n": "--array",
    "default-resources: slurm_extra='--exclusive'": "--exclusive",
    "default-resources: slurm_extra='--exclusive --mail-type=END'": "--exclusive|--mail-type=END",
    "train:gpu_model=a100": "--gpus=a100:1",
    "train:gres=gpu:a100:1": "--gres=gpu:a100:1",
    "train:runtime=120": "-t 120|--minutes 120",
    "train:slurm_partition=gpu": "-p gpu",
    "train:checkpointing=1": "--checkpointing",
    "train:compile=1": "--compile",
    "sample:compile=1": "--compile",
    "slurm-no-account: true": "-t 240",
    "slurm-status-command: squeue": "-t 240",
    "set-threads: prepare=2": "--cpus-per-task=2",
    "set-resources:\n  - train:gpu=4\n  - train:processes=4\n": "--gpus=4|--processes 4",
    "set-resources:\n  - train:nodes=2\n  - train:gres=gpu:4\n  - train:processes=4\n": (
        "--nodes=2|--gres=gpu:4|--nodes 2 --processes 4"
    ),
}
"""What each documented setting submits, parts between bars: a new one in docs/slurm.md needs a line here."""


def test_each_documented_setting_is_known():
    assert set(documented()) == set(SUBMITTED)


SLOW = [line for line in documented() if "timespan" in line]  # a limit of jobs a minute takes minutes to reach


@pytest.mark.parametrize(
    "line",
    [
        *every_nth_fast([line for line in documented() if line not in SLOW], 6),
        *(pytest.param(line, marks=pytest.mark.slow) for line in SLOW),
    ],
)
def test_every_documented_setting_is_submitted_as_documented(project, line):
    """Beside all that the profile asks for: no job is refused, and none loses its GPU or its time."""
    settings = {"set-resources": line} if OF_A_RULE.match(line) else yaml.safe_load(line)
    rule = (OF_A_RULE.search(line) or re.search(r"(?:threads|array-jobs): ([a-z_]+)", line) or ["", "train"])[1]
    output = snakemake(project, "slurm-gres" if "gres" in line else "slurm", settings, "--forcerun", rule)
    submission = re.search(r"^ +(sbatch .*) --wrap=", output, re.MULTILINE)
    job = re.search(r"^ +(etsdm --attempt .+)$", output, re.MULTILINE)
    assert submission and job, output
    commands = f" {submission[1]} {job[1]} ".replace("--array=1-", "--array 1-")
    for part in (*SUBMITTED[line].split("|"), "-t", "--mem"):
        assert f" {part} " in commands
    assert rule == "prepare" or re.search(r" --(gpus=|gres=gpu:)", commands)
    assert "ntasks-per-gpu" not in commands
