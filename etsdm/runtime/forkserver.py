"""A process that has PyTorch loaded and forks itself for each job, which then starts at once instead of after seconds.

The workflow starts it with its first job on this machine and names its socket in the variable `ETSDM_FORKSERVER`. A
command that finds it there hands over its arguments, folder, environment and open files, passes on the signals it gets,
and leaves with the exit code of the fork. Without a server, or without an answer, a command runs by itself.

It is no executor plugin of Snakemake. Such a plugin is a package of its own, and every user would have to choose it by
an option. It would start, watch and end all jobs, as Snakemake's local executor does already. Here the command alone
knows of the server, so that jobs are the same with it, without it and by hand.
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
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.context import ForkProcess
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import cast

from etsdm.runtime.stop import SIGNALS

ADDRESS = "ETSDM_FORKSERVER"
PACKAGE = Path(__file__).parents[1]
"""The code that the server has loaded."""
PRELOADED = ("etsdm.cli", "etsdm.training.train", "etsdm.sampling.sample", "etsdm.metrics.features")
REPORTING = {"rows", "tables", "figure", "page"}
"""Commands for which the server loads more, once the first of them comes: there is one for each figure."""
PRELOADED_FOR_REPORTS = ("etsdm.report.figures.write", "etsdm.report.page")
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""What libraries read while they are loaded: a job that is given other numbers runs by itself."""
REQUEST_BYTES = 2**17
PREFIX = "etsdm-"
"""Of the folder of a socket, which only its owner may enter."""
STARTING = 60
"""Seconds in which a folder may have a socket on which nobody listens yet."""
FORKS = multiprocessing.get_context("fork")


def start() -> subprocess.Popen[bytes] | None:
    """Start a server for the jobs of this process, after whose end, and that of the last job, it ends too.

    None where the system can't have one.
    """
    if sys.platform != "linux":  # elsewhere a fork of what has PyTorch loaded is not safe, or unknown
        return None
    _remove_left_over()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # nobody else may enter it
    try:
        with _socket() as listener:
            listener.bind(str(folder / "socket"))
            listener.listen()
            server = _started(listener)
    except OSError:  # above all a path that is too long for a socket
        shutil.rmtree(folder)
        return None
    os.environ[ADDRESS] = str(folder / "socket")
    return server


def _remove_left_over() -> None:
    """Remove the folders of this user's servers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), _socket() as connection:
            status = folder.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < STARTING:
                continue
            connection.setblocking(False)
            try:
                connection.connect(str(folder / "socket"))
            except ConnectionRefusedError:
                shutil.rmtree(folder)


def _started(listener: socket.socket) -> subprocess.Popen[bytes]:
    end, _ = os.pipe()  # of which the other side is closed when this process ends, however it does
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, str(listener.fileno())],
        stdin=end,
        pass_fds=[listener.fileno()],
        env=os.environ | THREADS,
        start_new_session=True,
    )
    os.close(end)
    return server


def run(arguments: list[str]) -> int | None:
    """Let the server run `etsdm` with these arguments as if it were this process, and return the exit code.

    None where there is no server, none that suits, or none any more.
    """
    address = os.environ.pop(ADDRESS, None)
    if address is None or any(os.environ.get(name) != value for name, value in THREADS.items()):
        return None
    request = json.dumps([arguments, str(Path.cwd()), dict(os.environ)]).encode()
    with _socket() as connection, suppress(OSError):
        if len(request) > REQUEST_BYTES or _edited_since(Path(address).stat().st_mtime):
            return None
        connection.connect(address)
        socket.send_fds(connection, [request], [1, 2])
        with _passing_on(connection) as signals:
            code = connection.recv(1)
        if code or signals:
            return code[0] if code else 128 + signals[0]
    return None


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _edited_since(time: float) -> bool:
    """Whether the code is no longer what the server has loaded."""
    return any(file.stat().st_mtime > time for file in PACKAGE.rglob("*.py"))


@contextmanager
def _passing_on(connection: socket.socket) -> Iterator[list[int]]:
    """Pass on the signals to this process, and note them."""
    signals: list[int] = []

    def pass_on(number: int, _: object) -> None:
        signals.append(number)
        with suppress(OSError):  # the job has just ended
            connection.send(bytes([number]))

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Server:
    """Waits for requests, for signals to its jobs and for their ends, and for that of the process that started it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._silent: set[socket.socket] = set()  # clients that have yet to say what they want
        self._selector = DefaultSelector()
        self._selector.register(listener, EVENT_READ, self._accept)
        self._selector.register(sys.stdin.fileno(), EVENT_READ, self._close)

    def serve(self) -> None:
        """Until the last job has ended and no other can come."""
        while self._selector.get_map():
            (key, _), *_ = self._selector.select()  # one at a time: an act can forget what another would wait for
            key.data()

    def _accept(self) -> None:
        with suppress(OSError):  # the client is gone already
            connection, _ = self._listener.accept()
            self._silent.add(connection)
            self._selector.register(connection, EVENT_READ, partial(self._start, connection))

    def _start(self, connection: socket.socket) -> None:
        self._hear(connection)
        try:
            request, files, *_ = socket.recv_fds(connection, REQUEST_BYTES, 2)
        except OSError:
            request, files = b"", []
        if request:
            _load_for(json.loads(request)[0])
        job = FORKS.Process(target=self._become, args=(connection, request, files))
        with suppress(OSError):  # where no process is to be had, the client runs by itself
            if request:  # else it has been killed
                job.start()
        if job.pid is None:
            connection.close()
        else:
            self._selector.register(connection, EVENT_READ, partial(self._pass_on, connection, job))
            self._selector.register(job.sentinel, EVENT_READ, partial(self._report, connection, job))
        for file in files:
            os.close(file)

    def _pass_on(self, connection: socket.socket, job: ForkProcess) -> None:
        """Give a job the signal that its client got; if the client is gone, ask the job to leave."""
        number = connection.recv(1)
        if job.is_alive():
            os.kill(cast(int, job.pid), number[0] if number else signal.SIGTERM)
        if not number:
            self._selector.unregister(connection)

    def _report(self, connection: socket.socket, job: ForkProcess) -> None:
        self._selector.unregister(job.sentinel)
        with suppress(KeyError):
            self._selector.unregister(connection)
        job.join()
        code = cast(int, job.exitcode)
        with suppress(OSError):
            connection.send(bytes([code if code >= 0 else 128 - code]))
        connection.close()
        job.close()

    def _hear(self, connection: socket.socket) -> None:
        self._silent.remove(connection)
        self._selector.unregister(connection)

    def _close(self) -> None:
        for connection in [*self._silent]:  # which could keep this process for ever
            self._hear(connection)
            connection.close()
        self._selector.unregister(sys.stdin.fileno())
        self._selector.unregister(self._listener)
        self._listener.close()

    def _become(self, connection: socket.socket, request: bytes, files: list[int]) -> None:
        """In a fork: be what the client is, as far as a job can tell."""
        for open_ in (connection, *(key.fileobj for key in self._selector.get_map().values())):
            if isinstance(open_, socket.socket):  # clients wait for their ends
                open_.close()
        self._selector.close()
        arguments, folder, environment = json.loads(request)
        for number, file in enumerate(files, start=1):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = ["etsdm", *arguments]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        importlib.import_module("etsdm.cli").main(prog_name="etsdm")


def _load_for(arguments: list[str]) -> None:
    """Load what reports need, so that their jobs start with it."""
    if REPORTING & {*arguments} and PRELOADED_FOR_REPORTS[-1] not in sys.modules:
        with suppress(Exception):  # code that cannot be loaded is an error of the job, which tries again
            for module in PRELOADED_FOR_REPORTS:
                importlib.import_module(module)
        gc.freeze()


def main() -> None:
    """Serve on the socket that is open as the number given."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a signal to everybody is for the jobs
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # forks share what is loaded until they write to it: let no collection do so
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        address = Path(listener.getsockname())
        Server(listener).serve()
    shutil.rmtree(address.parent, ignore_errors=True)


if __name__ == "__main__":
    main()
