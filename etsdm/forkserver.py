"""A process that has PyTorch loaded and forks itself for each job, which then starts at once in place of after seconds.

The workflow starts it with its first job on this machine and names its socket in the variable `ETSDM_FORKSERVER`. A
command that finds it there hands over its arguments, folder, environment and open files, passes on the signals it gets,
and leaves with the exit code of the fork. Without a server, a command runs by itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import partial
from multiprocessing.context import ForkProcess
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import cast

ADDRESS = "ETSDM_FORKSERVER"
PRELOADED = ("etsdm.cli", "etsdm.training.train", "etsdm.sampling.sample", "etsdm.metrics.features")
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""What libraries read while they are loaded: a job that is given other numbers runs by itself."""
REQUEST_BYTES = 2**17
FORKS = multiprocessing.get_context("fork")


def start() -> subprocess.Popen[bytes] | None:
    """Start a server for the jobs of this process, after whose end, and that of the last job, it ends too.

    None where the system can't have one.
    """
    if sys.platform != "linux":  # elsewhere a fork of what has PyTorch loaded is not safe, or unknown
        return None
    address = Path(tempfile.mkdtemp(prefix="etsdm-"), "socket")  # nobody else may enter the folder
    with _socket() as listener:
        listener.bind(str(address))
        listener.listen()
        end, _ = os.pipe()  # of which the other side is closed when this process ends, however it does
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(listener.fileno())],
            stdin=end,
            pass_fds=[listener.fileno()],
            env=os.environ | THREADS,
            start_new_session=True,
        )
    os.close(end)
    os.environ[ADDRESS] = str(address)
    return server


def run(arguments: list[str]) -> int | None:
    """Let the server run `etsdm` with these arguments as if it were this process, and return the exit code.

    None where there is no server, or none that suits.
    """
    if ADDRESS not in os.environ or any(os.environ.get(name) != value for name, value in THREADS.items()):
        return None
    with _socket() as connection:
        try:
            connection.connect(os.environ[ADDRESS])
            request = json.dumps([arguments, str(Path.cwd()), dict(os.environ)])
            socket.send_fds(connection, [request.encode()], [1, 2])
        except OSError:
            return None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: connection.send(bytes([number])))
        code = connection.recv(1)
    return code[0] if code else 1


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Server:
    """Waits for requests, for signals to its jobs and for their ends, and for that of the process that started it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = DefaultSelector()
        self._selector.register(listener, EVENT_READ, self._accept)
        self._selector.register(sys.stdin.fileno(), EVENT_READ, self._close)

    def serve(self) -> None:
        """Until the last job has ended and no other can come."""
        while self._selector.get_map():
            (key, _), *_ = self._selector.select()  # one at a time: an act can forget what another would wait for
            key.data()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        request, files, *_ = socket.recv_fds(connection, REQUEST_BYTES, 2)
        if request:  # else the client has been killed
            job = FORKS.Process(target=_run_job, args=(request, files))
            job.start()
            self._selector.register(connection, EVENT_READ, partial(self._pass_on, connection, job))
            self._selector.register(job.sentinel, EVENT_READ, partial(self._report, connection, job))
        for file in files:
            os.close(file)

    def _pass_on(self, connection: socket.socket, job: ForkProcess) -> None:
        """Give a job the signal that its client got; if the client is gone, ask the job to leave."""
        number = connection.recv(1)
        os.kill(cast(int, job.pid), number[0] if number else signal.SIGTERM)
        if not number:
            self._selector.unregister(connection)

    def _report(self, connection: socket.socket, job: ForkProcess) -> None:
        self._selector.unregister(job.sentinel)
        with suppress(KeyError):
            self._selector.unregister(connection)
        job.join()
        code = cast(int, job.exitcode)
        with suppress(BrokenPipeError):
            connection.send(bytes([code if code >= 0 else 128 - code]))
        connection.close()
        job.close()

    def _close(self) -> None:
        self._selector.unregister(sys.stdin.fileno())
        self._selector.unregister(self._listener)


def _run_job(request: bytes, files: list[int]) -> None:
    """Be what the client is, as far as a job can tell."""
    arguments, folder, environment = json.loads(request)
    for file, standard in zip(files, (sys.stdout, sys.stderr), strict=True):
        os.dup2(file, standard.fileno())
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    del os.environ[ADDRESS]  # what the job starts is a process of its own
    os.chdir(folder)
    sys.argv = ["etsdm", *arguments]
    importlib.import_module("etsdm.cli").main(prog_name="etsdm")


def main() -> None:
    """Serve on the socket that is open as the number given."""
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # forks share what is loaded until they write to it: let no collection do so
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        address = Path(listener.getsockname())
        Server(listener).serve()
    shutil.rmtree(address.parent)


if __name__ == "__main__":
    main()
