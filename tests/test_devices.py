"""Claims of devices: two processes never share one, however many want one and however they end."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from etsdm.errors import Interrupted
from etsdm.probes.inputs import per_image
from etsdm.runtime import devices
from etsdm.runtime.stop import StopRequest

PROCESSES = multiprocessing.get_context("spawn")
STAND_INS = ["gpu-a", "gpu-b"]


def hold(folder: str, seconds: float) -> None:
    """Claim a stand-in, use it for a while as nobody else may, and end without giving it back."""
    number, _lock = devices.claim(STAND_INS, Path(folder) / "claims")
    in_use = Path(folder) / f"{STAND_INS[number]}.{os.getpid()}"
    with (Path(folder) / "log").open("a") as log:
        log.write(f"{STAND_INS[number]}\n")
    in_use.touch()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sharers = list(Path(folder).glob(f"{STAND_INS[number]}.*"))
        if len(sharers) > 1:
            os._exit(1)
        time.sleep(0.01)
    in_use.unlink()
    os._exit(0)


@pytest.fixture
def start(tmp_path) -> Iterator:
    begun = []

    def process(seconds: float):
        begun.append(PROCESSES.Process(target=hold, args=(str(tmp_path), seconds)))
        begun[-1].start()
        return begun[-1]

    yield process
    for one in begun:
        one.kill()


def wait_until(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_jobs_never_share_a_device_and_all_get_one(start, tmp_path):
    jobs = [start(0.5) for _ in range(5)]
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 5
    used = (tmp_path / "log").read_text().split()
    assert len(used) == 5
    assert set(used) == set(STAND_INS)


def test_the_claim_of_a_killed_job_is_free_again(start, tmp_path):
    first, second = start(600), start(600)
    wait_until(lambda: len(list(tmp_path.glob("gpu-*"))) == 2)
    third = start(0)
    time.sleep(2 * devices.WAIT)
    assert third.is_alive()
    freed = next(tmp_path.glob(f"gpu-*.{first.pid}"))
    os.kill(first.pid, signal.SIGKILL)
    freed.unlink()
    third.join(60)
    assert third.exitcode == 0
    assert (tmp_path / "log").read_text().split()[-1] == freed.stem
    assert second.is_alive()


def test_a_waiting_job_says_so(start, tmp_path, capsys, monkeypatch):
    start(600), start(600)
    wait_until(lambda: len(list(tmp_path.glob("gpu-*"))) == 2)

    class Waited(Exception):
        pass

    def wait(seconds: float) -> None:
        raise Waited

    monkeypatch.setattr(devices.time, "sleep", wait)
    with pytest.raises(Waited):
        devices.claim(STAND_INS, tmp_path / "claims")
    assert "all 2 GPUs are claimed by other jobs; waiting" in capsys.readouterr().err


def test_places_on_devices_spread_over_them_first(tmp_path):
    kept = [devices.claim(STAND_INS, tmp_path, places=2) for _ in range(4)]
    assert [number for number, _ in kept] == [0, 1, 0, 1]
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"gpu-{n}.lock" for n in ("a-1", "a", "b-1", "b")]
    with pytest.raises(Interrupted, match="all 2 GPUs are still claimed"):
        devices.claim(STAND_INS, tmp_path, StopRequest(0.001), places=2)
    kept.pop(1)[1].release()
    assert devices.claim(STAND_INS, tmp_path, places=2)[0] == 1


def test_jobs_of_different_machines_do_not_wait_for_each_other(monkeypatch, tmp_path):
    """A home folder is often shared; a GPU is not."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = devices.claims_folder()
    monkeypatch.setattr(devices.socket, "gethostname", lambda: "another")
    assert devices.claims_folder() != here
    assert here.is_relative_to(tmp_path)


def roundings() -> tuple[bool, bool]:
    """Whether convolutions and matrix products on a GPU are rounded to TF32."""
    convolutions, products = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    assert (convolutions == "tf32") == torch.backends.cudnn.allow_tf32
    return convolutions == "tf32", products == "tf32"


def test_tf32_is_for_convolutions_and_off_where_differences_are_measured() -> None:
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = True, False
    devices.pick_device("cpu")
    assert roundings() == (True, False)
    inside = []

    def measure(values: torch.Tensor) -> torch.Tensor:
        inside.append(roundings())
        return values

    per_image(measure, torch.device("cpu"), torch.zeros(2, 1))
    assert inside == [(False, False)]
    assert roundings() == (True, False)
