"""Workflows of several clones on one results folder."""

import os
from contextlib import nullcontext

import pytest
from configs import write_config
from projects import Project, copy_project
from stand_ins import StandIns

from etsdm.errors import UserError
from etsdm.plan.plan import load_plan
from etsdm.runtime.other_workflows import enter


@pytest.fixture
def clones(tmp_path):
    """One results folder, as two clones see it."""
    (tmp_path / "results").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "results").symlink_to(tmp_path / "results")
    return tmp_path / "results", tmp_path / "other" / "results"


@pytest.mark.parametrize(
    ("reads", "makes"),
    [(["images"], ["weights"]), (["weights"], ["samples"]), ([], ["images"])],
    ids=["the same output", "an output of the other", "an input of the other"],
)
def test_the_same_files_are_refused(clones, reads, makes):
    entered = enter(clones[0], ["images"], ["weights", "losses"])
    with pytest.raises(UserError, match=rf"process {os.getpid()}\) is at work on (weights|images)"):
        enter(clones[1], reads, makes)
    entered.release()
    enter(clones[1], reads, makes).release()


def test_other_files_are_let_in(clones):
    first = enter(clones[0], ["images"], ["weights of one"])
    second = enter(clones[1], ["images"], ["weights of another"])
    assert len(list(clones[0].glob(".workflows/*.json"))) == 2
    first.release()
    second.release()


def test_what_a_killed_workflow_left_is_removed(clones):
    enter(clones[0], [], ["weights"]).release()  # as by the system
    entered = enter(clones[1], [], ["weights"])
    assert len(list(clones[0].glob(".workflows/*.json"))) == 1
    entered.release()


@pytest.mark.parametrize(("state", "refused"), [("", False), ("7 R", True)], ids=["over", "running"])
def test_a_lock_counts_no_longer_than_its_job(clones, monkeypatch, tmp_path, state, refused):
    """A server may keep the locks of a node that was lost."""
    monkeypatch.setenv("PATH", StandIns(tmp_path / "bin", squeue=f"echo {state}").environment["PATH"])
    first = enter(clones[0], [], ["weights"], job="7")
    with pytest.raises(UserError) if refused else nullcontext():
        enter(clones[1], [], ["weights"], job="8").release()
    with pytest.raises(UserError):  # two in one allocation
        enter(clones[1], [], ["weights"], job="7")
    first.release()


def test_a_workflow_of_another_clone_is_refused(tmp_path):
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project")
    write_config(project.config)
    archive = f"results/{next(iter(load_plan(project.config).data))}/images.zip"
    entered = enter(project.folder / "results", [], [archive])
    done = project.snakemake()
    entered.release()
    assert done.returncode == 2
    assert f"is at work on {archive}" in done.stderr
