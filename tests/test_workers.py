"""Work in several processes: its order, its bounds, its errors and its end. Light to import: the workers do, too."""

import subprocess
import sys
import time
from errno import ENOSPC
from pathlib import Path

import pytest

from etsdm.errors import UserError
from etsdm.runtime.workers import ordered


def squared(number: int) -> int:
    time.sleep(0.05 if number % 3 == 0 else 0)
    if number == 13:
        raise UserError("unlucky")
    return number**2


@pytest.mark.parametrize("workers", [1, 3])
def test_work_comes_back_in_its_order_and_is_not_begun_far_ahead(workers: int) -> None:
    begun = []
    numbers = (begun.append(number) or number for number in range(12))  # type: ignore[func-returns-value]
    for done, result in enumerate(ordered(squared, numbers, workers)):
        assert result == done**2
        assert len(begun) <= done + 2 * workers
    assert len(begun) == 12


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_raised(workers: int) -> None:
    with pytest.raises(UserError, match="unlucky"):
        list(ordered(squared, range(100), workers))


def test_without_room_for_shared_locks_one_process_does_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a machine whose /dev/shm is full."""

    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("etsdm.runtime.workers.ProcessPoolExecutor", full)
    assert list(ordered(squared, range(5), 2)) == [0, 1, 4, 9, 16]
    assert "is /dev/shm full?" in capsys.readouterr().err


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = """
import os, sys, time
from etsdm.runtime.workers import ordered
sys.path.insert(0, {folder!r})
import asleep
if __name__ == "__main__":
    list(ordered(asleep.sleep, [60, 60], 2))
"""
    (tmp_path / "asleep.py").write_text(
        "import os, time\n\ndef sleep(seconds):\n    open(f'{os.path.dirname(__file__)}/{os.getpid()}.pid', 'w')\n"
        "    time.sleep(seconds)\n"
    )
    (tmp_path / "main.py").write_text(code.format(folder=str(tmp_path)))
    process = subprocess.Popen([sys.executable, str(tmp_path / "main.py")])
    while len(pids := [int(path.stem) for path in tmp_path.glob("*.pid")]) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.05)
