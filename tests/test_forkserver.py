"""Jobs in forks of a process that has PyTorch loaded do, and end, as they would in processes of their own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trained import model_spec, prepared_digits, write_weights

import etsdm
from etsdm.runtime.attempts import Attempts
from etsdm.runtime.files import write_json
from etsdm.runtime.forkserver import ADDRESS, PACKAGE, PRELOADED, THREADS, _remove_left_over

ETSDM = Path(sys.executable).with_name("etsdm")
OWNER = """
import os, sys
from etsdm.runtime import forkserver
server = forkserver.start()
print(server.pid, os.environ[forkserver.ADDRESS], flush=True)
sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no server on this system")


def until(happened: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not (outcome := happened()):
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.05)
    return outcome


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}/cmdline").exists() and bool(Path(f"/proc/{process}/cmdline").read_bytes())


class Owner:
    """A process that has started a server.

    Attributes:
        process: of the owner.
        server: process number of the server.
        address: of its socket.
    """

    def __init__(self) -> None:
        command, pipe = [sys.executable, "-c", OWNER], subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        server, self.address = self.process.stdout.readline().split()
        self.server = int(server)

    def __enter__(self) -> "Owner":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        shutil.rmtree(Path(self.address).parent, ignore_errors=True)  # a server that was killed leaves it

    def start(self, folder: Path, *arguments: object, **variables: str) -> subprocess.Popen:
        """A command that finds the server."""
        environment = os.environ | THREADS | {ADDRESS: self.address} | variables
        command, pipe = [str(ETSDM), *map(str, arguments)], subprocess.PIPE
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture(scope="module")
def owner() -> Iterator[Owner]:
    with Owner() as started:
        yield started


class Training:
    """A long training that has begun.

    Attributes:
        command: the process that was started.
        job: number of the process that trains.
        attempts: what it writes down.
    """

    def __init__(self, owner: Owner, folder: Path) -> None:
        spec = model_spec("etsdm")
        spec["training"] |= {"images": 10**7}
        write_json(folder / "spec.json", spec)
        options = ["--spec", "spec.json", "--data", prepared_digits(), "--out", "run", "--save-minutes", 0]
        self.command = owner.start(folder, "train", *options)
        until(lambda: list(folder.glob("run/state/*.pt")) or self.command.poll() is not None)
        assert self.command.poll() is None, self.command.stderr.read()
        self.attempts = Attempts(folder / "run" / ".manifest.attempts.jsonl", folder / "run" / "manifest.json")
        self.job: int = self.attempts.history()[-1]["pid"]

    def end(self) -> str:
        """How the attempt ended."""
        return self.attempts.history()[-1]["exit"]


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_fork_makes_what_a_process_of_its_own_makes(owner: Owner, tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "weights.safetensors")
    for name, variables in (("fork", {}), ("own", {ADDRESS: ""})):
        options = ["--weights", weights.name, "--nfe", 5, "--count", 20, "--out", f"{name}.zip"]
        job = owner.start(tmp_path, "sample", *options, **variables)
        outputs = job.communicate()
        assert job.returncode == 0, outputs
        assert outputs[0].startswith(f"{name}.zip: 20 images")
        assert "sample ddim: 100%" in outputs[1]
    assert (tmp_path / "fork.zip").read_bytes() == (tmp_path / "own.zip").read_bytes()


def test_a_mistake_ends_a_fork_with_its_message_and_exit_code(owner: Owner, tmp_path: Path) -> None:
    job = owner.start(tmp_path, "plan", "missing.yaml")
    _, stderr = job.communicate()
    assert job.returncode == 2
    assert "missing.yaml" in stderr


def test_jobs_run_beside_each_other(owner: Owner, tmp_path: Path) -> None:
    jobs = [owner.start(tmp_path, "--version") for _ in range(10)]
    assert [job.communicate()[0].partition(",")[0] for job in jobs] == ["etsdm"] * 10
    assert [job.returncode for job in jobs] == [0] * 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_fork(owner: Owner, tmp_path: Path, number: int) -> None:
    training = Training(owner, tmp_path)
    assert parent_of(training.job) == owner.server
    training.command.send_signal(number)
    _, stderr = training.command.communicate()
    assert training.command.returncode == os.EX_TEMPFAIL
    assert "the same command goes on" in stderr
    assert training.end() == "interrupted"


def test_a_fork_whose_command_is_killed_saves_and_leaves(owner: Owner, tmp_path: Path) -> None:
    training = Training(owner, tmp_path)
    training.command.kill()
    until(lambda: not is_running(training.job))
    assert training.end() == "interrupted"


def test_a_signal_to_everybody_is_for_the_jobs(owner: Owner, tmp_path: Path) -> None:
    training = Training(owner, tmp_path)
    for process in (owner.server, training.job):
        os.kill(process, signal.SIGTERM)
    assert training.command.wait() == os.EX_TEMPFAIL
    assert is_running(owner.server)


def test_a_killed_fork_is_told_as_a_shell_would(owner: Owner, tmp_path: Path) -> None:
    training = Training(owner, tmp_path)
    os.kill(training.job, signal.SIGKILL)
    assert training.command.wait() == 128 + signal.SIGKILL


def test_the_server_ends_after_its_owner_and_its_last_job(tmp_path: Path) -> None:
    with Owner() as owner:
        training = Training(owner, tmp_path)
        owner.process.kill()
        time.sleep(0.5)
        assert is_running(training.job)
        training.command.terminate()
        assert training.command.wait() == os.EX_TEMPFAIL
        until(lambda: not is_running(owner.server))
        assert not Path(owner.address).parent.exists()


def test_a_job_that_the_server_does_not_suit_runs_by_itself(tmp_path: Path) -> None:
    """One that is given more threads; one whose environment is too long; any, once the code has been edited."""
    with Owner() as owner:
        os.kill(owner.server, signal.SIGSTOP)  # whatever waits for it would wait for ever
        assert owner.start(tmp_path, "--version", OMP_NUM_THREADS="2").wait(timeout=60) == 0
        assert owner.start(tmp_path, "--version", A="x" * 70_000, B="x" * 70_000).wait(timeout=60) == 0
        os.utime(owner.address, (0, 0))
        assert owner.start(tmp_path, "--version").wait(timeout=60) == 0
        os.kill(owner.server, signal.SIGCONT)


def test_an_edit_anywhere_in_the_package_counts() -> None:
    assert Path(etsdm.__file__).resolve().parent == PACKAGE.resolve()


def test_a_client_that_says_nothing_holds_up_nobody(tmp_path: Path) -> None:
    """Neither other jobs nor the end of the server."""
    with Owner() as owner, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(owner.address)
        assert owner.start(tmp_path, "--version").wait(timeout=60) == 0
        owner.process.kill()
        until(lambda: not is_running(owner.server))
        assert not Path(owner.address).parent.exists()


def test_the_folder_of_a_killed_server_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of servers that run, or are just starting, stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kinds = {name: tmp_path / f"etsdm-{name}" for name in ("killed", "running", "starting")}
    listeners = []
    for name, folder in kinds.items():
        folder.mkdir()
        listeners.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listeners[-1].bind(str(folder / "socket"))
        listeners[-1].listen()
        if name != "starting":
            os.utime(folder, (0, 0))
        if name != "running":
            listeners[-1].close()
    _remove_left_over()
    assert {name: folder.exists() for name, folder in kinds.items()} == {
        "killed": False,
        "running": True,
        "starting": True,
    }
    listeners[1].close()


@pytest.mark.slow
def test_without_its_server_a_job_runs_by_itself(tmp_path: Path) -> None:
    """One that has begun in a fork, too: it takes over from it."""
    with Owner() as owner:
        training = Training(owner, tmp_path)
        os.kill(owner.server, signal.SIGKILL)
        assert owner.start(tmp_path, "--version").wait(timeout=60) == 0
        until(lambda: training.attempts.history()[-1]["pid"] == training.command.pid)
        assert not is_running(training.job)
        left = set(tmp_path.glob("run/state/*.pt"))
        until(lambda: set(tmp_path.glob("run/state/*.pt")) - left)
        training.command.terminate()
        _, stderr = training.command.communicate()
        assert training.command.returncode == os.EX_TEMPFAIL
        assert "resuming after" in stderr


def test_without_a_place_for_its_socket_there_is_no_server(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    code = f"from etsdm.runtime import forkserver; import os; print(forkserver.start(), '{ADDRESS}' in os.environ)"
    environment = os.environ | {"TMPDIR": str(folder)}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["None", "False"]
    assert not list(folder.iterdir())


def test_nothing_that_is_preloaded_starts_cuda_or_threads() -> None:
    """Neither survives a fork."""
    checks = "import os, sys, torch; sys.exit(torch.cuda.is_initialized() or len(os.listdir('/proc/self/task')) > 1)"
    command = [sys.executable, "-c", f"import {', '.join(PRELOADED)}; {checks}"]
    subprocess.run(command, env=os.environ | THREADS, check=True)
