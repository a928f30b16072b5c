"""Locks on file systems that have none, or have trouble with them, and those of other users."""

import fcntl
import json
import multiprocessing
import os
import signal
import socket
import time
from errno import ENOLCK, ENOSYS
from pathlib import Path

import pytest
from click.testing import CliRunner
from stand_ins import StandIns
from test_attempts import attempt

from etsdm.cli import main
from etsdm.commands import _specification
from etsdm.errors import Interrupted, UserError
from etsdm.runtime import attempts, locks
from etsdm.runtime.attempts import Attempts
from etsdm.runtime.locks import locked

NO_SUCH_JOB = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"


def failing(errno):
    """A function that fails as the system does."""

    def fail(*_, **__):
        raise OSError(errno, os.strerror(errno))

    return fail


@pytest.fixture
def without_locks(monkeypatch):
    monkeypatch.setattr(locks, "probe", failing(ENOSYS))
    monkeypatch.setattr(attempts, "MARKER", 0.1)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def marked(folder, host, job=None, process=1):
    """What a process leaves that is at work, or was killed, on a file system without locks."""
    (folder / ".attempts.lock.held").write_text(f"{process}\n{host}\n")
    line = {"started": "", "host": host, "pid": process, "job": job, "left": "nothing"}
    (folder / ".attempts.jsonl").write_text(json.dumps(line) + "\n")


def at_work(folder: str) -> None:
    """An attempt on a file system without locks that saves and leaves when it is asked to."""
    locks.probe = failing(ENOSYS)
    signal.signal(signal.SIGTERM, lambda *_: None)
    with Attempts(Path(folder) / ".attempts.jsonl", Path(folder) / "manifest.json").recorded(1):
        (Path(folder) / "begun").touch()
        signal.pause()
        (Path(folder) / "saved").touch()
        raise Interrupted("saved")


def test_a_file_system_that_cannot_lock_is_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(ENOLCK))
    with pytest.raises(UserError, match=r"files there cannot be locked \(No locks available\)"):
        attempt(tmp_path)
    with pytest.raises(UserError, match="cannot be locked"), locked(tmp_path / "lock"):
        pass


def test_without_locks_a_process_at_work_is_told_to_leave_and_waited_for(tmp_path, without_locks, capsys):
    process = multiprocessing.get_context("spawn").Process(target=at_work, args=(str(tmp_path),))
    process.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    attempt(tmp_path)
    assert (tmp_path / "saved").exists()
    process.join()
    assert "no locks on this file system" in capsys.readouterr().err


def test_without_locks_a_second_job_on_another_machine_is_refused(tmp_path, without_locks, monkeypatch):
    monkeypatch.setenv("PATH", StandIns(tmp_path / "bin", squeue="echo '7 RUNNING'").environment["PATH"])
    marked(tmp_path, "elsewhere", job="7")
    with pytest.raises(UserError, match=r"process on elsewhere holds this result; if no job is at work there, remove"):
        attempt(tmp_path)


def test_without_locks_what_a_job_that_is_over_left_is_no_hindrance(tmp_path, without_locks, monkeypatch):
    monkeypatch.setenv("PATH", StandIns(tmp_path / "bin", squeue=NO_SUCH_JOB).environment["PATH"])
    marked(tmp_path, "elsewhere", job="7")
    attempt(tmp_path)
    marked(tmp_path, socket.gethostname(), process=2**22 + 1)
    attempt(tmp_path)
    assert not (tmp_path / ".attempts.lock.held").exists()


def test_a_marker_that_stays_is_told_of(tmp_path, without_locks, monkeypatch):
    monkeypatch.setattr(locks, "WAIT", 0.1)
    (tmp_path / "lock.held").write_text("1\nelsewhere\n")
    with pytest.raises(UserError, match=r"lock\.held: has been there"), locked(tmp_path / "lock"):
        pass


def test_a_process_of_another_user_is_a_message(tmp_path, monkeypatch):
    marked(tmp_path, socket.gethostname())
    monkeypatch.setattr(os, "kill", failing(1))
    with (tmp_path / ".attempts.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="process 1 of another user is at work here; ask them"):
            attempt(tmp_path)


def test_a_folder_of_another_user_is_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "probe", failing(13))
    with pytest.raises(UserError, match="Permission denied; it belongs to user"):
        attempt(tmp_path)


def test_a_file_of_another_user_is_one_line(tmp_path, monkeypatch):
    spec = tmp_path / "spec.json"
    spec.write_text("{}")
    monkeypatch.setattr(_specification, "read_json", failing(13))
    done = CliRunner().invoke(main, ["inventory", "--config", str(spec), "--out", str(tmp_path / "out.json")])
    assert done.exit_code == 2
    assert done.output.splitlines()[0].startswith("etsdm: error: ") and len(done.output.splitlines()) == 1
