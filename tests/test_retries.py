"""Retries of jobs that never begin."""

from types import SimpleNamespace

import pytest
from configs import write_config
from projects import Project, copy_project
from stand_ins import StandIns

from etsdm.errors import Interrupted
from etsdm.runtime.attempts import Attempts, file_of
from etsdm.runtime.retries import Retries


class Job(SimpleNamespace):
    """What of Snakemake's job is used."""

    def is_group(self):
        return False


def attempts(tmp_path, *kinds):
    """How many attempts Snakemake makes at a job with fifty retries, each of which dies or is interrupted."""
    manifest = tmp_path / "manifest.json"
    job = Job(output={"manifest": str(manifest)}, restart_times=50, attempt=1)
    retries = Retries(lambda job: None)
    for number, kind in enumerate(kinds, start=1):
        if kind == "interrupted":
            with pytest.raises(Interrupted), Attempts(file_of(manifest), manifest).recorded(1):
                raise Interrupted("time is up")
        retries.failed(job)
        if job.attempt > job.restart_times:
            return number
        job.attempt += 1
    return None


def test_three_attempts_that_never_began_are_enough(tmp_path, capsys):
    assert attempts(tmp_path, *["refused"] * 50) == 3
    assert "died before etsdm began" in capsys.readouterr().err


def test_time_slices_are_no_attempts_in_vain(tmp_path):
    assert attempts(tmp_path, *["refused", "refused", "interrupted"] * 3, *["interrupted"] * 9) is None


def test_a_refused_submission_is_not_repeated_for_ever(tmp_path):
    stand_ins = StandIns(tmp_path / "bin", refusal="Invalid qos specification")
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project", environment=stand_ins.environment)
    write_config(project.config)
    profile = ["--workflow-profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "1"]
    done = project.run("snakemake", "--configfile", str(project.config), *profile)
    assert len(stand_ins.submitted()) == 3
    assert done.stderr.count("it is not tried again") == 1
    assert "Invalid qos specification" in done.stdout + done.stderr
