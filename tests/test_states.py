"""A cluster that cannot tell how its jobs end, with stand-ins for SLURM's commands."""

import pytest
from configs import write_config
from projects import Project, copy_project
from stand_ins import StandIns

from etsdm.errors import UserError
from etsdm.runtime.slurm import check_arrays, check_states

DISABLED = "echo 'Slurm accounting storage is disabled' >&2; exit 1"
SHORT, LONG = "echo 'MinJobAge = 60 sec'", "echo 'MinJobAge = 300 sec'"


@pytest.mark.parametrize(
    ("command", "commands", "message"),
    [
        (
            "sacct",
            {"sacct": DISABLED},
            "accounting storage is disabled; set slurm-no-account: true and slurm-status-co",
        ),
        ("squeue", {"sacct": DISABLED, "scontrol": SHORT}, "squeue and slurm-init-seconds-before-status-checks: 20 in"),
        ("squeue", {"squeue": "exit 1"}, "squeue: exit code 1"),
    ],
)
def test_what_cannot_be_known_is_said(tmp_path, monkeypatch, command, commands, message):
    monkeypatch.setenv("PATH", StandIns(tmp_path / "bin", **commands).environment["PATH"])
    with pytest.raises(UserError, match="the states of jobs cannot be known") as raised:
        check_states(command, 40)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("command", "commands"),
    [("sacct", {}), ("squeue", {"sacct": DISABLED, "scontrol": LONG}), ("squeue", {"scontrol": SHORT})],
)
def test_what_can_be_known_is_no_reason_to_stop(tmp_path, monkeypatch, command, commands):
    monkeypatch.setenv("PATH", StandIns(tmp_path / "bin", **commands).environment["PATH"])
    check_states(command, 40)


def test_a_cluster_that_forgets_its_jobs_at_once_is_told_of(tmp_path, monkeypatch):
    StandIns(tmp_path / "bin", scontrol=SHORT)
    (tmp_path / "bin" / "sacct").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match="forgets a job 60 s after its end"):
        check_states("squeue", 40)


def test_nothing_is_submitted_to_a_cluster_that_cannot_tell(tmp_path):
    stand_ins = StandIns(tmp_path / "bin", sacct=DISABLED)
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project", environment=stand_ins.environment)
    write_config(project.config)
    profile = ["--workflow-profile", "workflow/profiles/slurm"]
    done = project.run("snakemake", "--configfile", str(project.config), *profile)
    assert done.returncode == 2
    assert "etsdm: error: the states of jobs cannot be known: sacct: Slurm accounting" in done.stderr
    assert stand_ins.submitted() == []


def test_arrays_need_room_for_every_job():
    """The plug-in would forget the jobs that it took while others found no room."""
    check_arrays(None, 2, 3)
    check_arrays("sample", 3, 3)
    with pytest.raises(UserError, match="3 jobs are to run, and at most 2 may be in the queue"):
        check_arrays("sample", 2, 3)
