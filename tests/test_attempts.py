"""Attempts at a result: what is tried again, what is not, and what the manifest tells of it."""

import multiprocessing
import os
import signal
import time
from errno import ENOSPC
from pathlib import Path

import pytest

from etsdm.errors import AlreadyMade, Interrupted, UserError
from etsdm.runtime.attempts import KILLS, Attempts
from etsdm.runtime.files import read_json
from etsdm.runtime.manifest import manifest

PROCESSES = multiprocessing.get_context("spawn")


def attempt(folder: Path, number: int = 1, error: BaseException | None = None) -> None:
    with Attempts(folder / ".attempts.jsonl", folder / "manifest.json", folder / "state").recorded(number):
        if error:
            raise error


def killed(folder: str) -> None:
    """An attempt that gets no chance to say anything."""
    with Attempts(Path(folder) / ".attempts.jsonl", Path(folder) / "m", Path(folder) / "state").recorded(1):
        os.kill(os.getpid(), signal.SIGKILL)


def at_work(folder: str) -> None:
    """An attempt that saves and leaves when it is asked to."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    with Attempts(Path(folder) / ".attempts.jsonl", Path(folder) / "manifest.json").recorded(1):
        (Path(folder) / "begun").touch()
        signal.pause()
        (Path(folder) / "saved").touch()
        raise Interrupted("saved")


def at_its_end(folder: str) -> None:
    """An attempt that is asked to leave when it is just about to finish."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    with Attempts(Path(folder) / ".attempts.jsonl", Path(folder) / "manifest.json").recorded(1):
        (Path(folder) / "begun").touch()
        signal.pause()
        (Path(folder) / "manifest.json").touch()


def in_a_process(work, folder: Path):
    process = PROCESSES.Process(target=work, args=(str(folder),))
    process.start()
    return process


def test_a_fatal_failure_is_not_tried_again_but_repeated(tmp_path):
    with pytest.raises(UserError, match="no labels"):
        attempt(tmp_path, 1, UserError("no labels"))
    for number in (2, 3):
        with pytest.raises(UserError, match=r"^no labels\nthe attempt before failed in the same way"):
            attempt(tmp_path, number, AssertionError("the work was done again"))


def test_a_mistake_in_the_code_is_repeated_with_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError):
        attempt(tmp_path, 1, ZeroDivisionError("in the middle"))
    with pytest.raises(UserError, match=r"(?s)Traceback.*in the middle"):
        attempt(tmp_path, 2)


def test_a_new_run_of_the_workflow_tries_again(tmp_path):
    with pytest.raises(UserError):
        attempt(tmp_path, 1, UserError("no labels"))
    attempt(tmp_path, 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [Interrupted("saved"), ConnectionResetError("file server"), KeyboardInterrupt()])
def test_what_may_go_better_is_tried_again(tmp_path, error):
    for number in range(1, 6):
        with pytest.raises(type(error)):
            attempt(tmp_path, number, error)
    attempt(tmp_path, 6)


def test_a_full_disk_is_explained(tmp_path):
    error = OSError(ENOSPC, "No space left on device", "state.pt")
    with pytest.raises(UserError, match=r"state\.pt: no space left .* the same command goes on"):
        attempt(tmp_path, 1, error)


def test_a_short_write_is_a_full_disk(tmp_path):
    """So NumPy says it, of features for one."""
    with pytest.raises(UserError, match=r"no space left \(400000 requested and 131056 written\)"):
        attempt(tmp_path, 1, OSError("400000 requested and 131056 written"))


def test_attempts_that_are_killed_without_progress_come_to_an_end(tmp_path):
    for _ in range(KILLS):
        process = in_a_process(killed, tmp_path)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    with pytest.raises(UserError, match="more memory"):
        attempt(tmp_path, KILLS + 1)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "000000000064-0123456789abcdef.pt").touch()
    attempt(tmp_path, KILLS + 1)


def test_a_process_left_over_by_a_dead_workflow_is_told_to_leave(tmp_path, capsys):
    process = in_a_process(at_work, tmp_path)
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    attempt(tmp_path)
    assert (tmp_path / "saved").exists()
    process.join()
    assert f"process {process.pid} is told to save" in capsys.readouterr().err


def test_what_the_other_process_has_made_is_not_made_again(tmp_path):
    process = in_a_process(at_its_end, tmp_path)
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    with pytest.raises(AlreadyMade):
        attempt(tmp_path, 1, AssertionError("the work was done again"))
    process.join()
    assert process.exitcode == 0


def test_the_manifest_tells_of_every_attempt(tmp_path):
    file = tmp_path / "manifest.json"
    process = in_a_process(killed, tmp_path)
    process.join()
    (tmp_path / ".attempts.jsonl").rename(tmp_path / ".manifest.attempts.jsonl")
    with pytest.raises(Interrupted), manifest(file, [], [], attempt=2):
        raise Interrupted("saved after 64 images")
    assert not file.exists()
    with manifest(file, [], [], attempt=3):
        pass
    attempts = read_json(file)["attempts"]
    assert [(one["exit"], one["message"]) for one in attempts] == [
        (None, None),
        ("interrupted", "saved after 64 images"),
        (None, None),
    ]
    assert not list(tmp_path.glob(".manifest.*"))
