"""Work on many pieces in several processes of this machine."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def cpus() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered(function: Callable[[Argument], Result], arguments: Iterable[Argument], workers: int) -> Iterator[Result]:
    """`map(function, arguments)`, in its order, by this many processes (1: this one).

    Without room for the locks that processes share (in /dev/shm, say), this one works alone, and says so.

    At most twice as many pieces as processes are on their way at a time, so memory does not grow with their number. The
    function must be one that can be imported, or a `partial` of one; its errors are raised here.
    """
    if workers == 1:
        yield from map(function, arguments)
        return
    try:  # spawned, not forked: a fork would copy the locks of this process's threads as they are at the moment
        executor = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    except OSError as error:
        print(f"etsdm: no processes can share the work ({error}; is /dev/shm full?); one does it", file=sys.stderr)
        yield from map(function, arguments)
        return
    with executor as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for argument in arguments:
                waiting.append(pool.submit(function, argument))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C to the process that started this one, and end when it ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
