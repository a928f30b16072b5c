"""Leaving in time: when the system asks for it, or before a job's time is up."""

import signal
import time
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)
MARGIN = 3.0
"""Minutes kept free at the end of a job's time, to start, to save and to leave; at most half of it."""


class StopRequest:
    """While open, SIGTERM and a first SIGINT are noted instead of ending the process. For the main thread.

    Args:
        minutes: time limit of the job; 0 for none.
    """

    def __init__(self, minutes: float = 0) -> None:
        self._signalled = False
        self._until = time.monotonic() + 60 * max(minutes - MARGIN, minutes / 2) if minutes else float("inf")

    @property
    def requested(self) -> bool:
        """Whether it is time to leave."""
        return self._signalled or time.monotonic() >= self._until

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._signalled and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signalled = True

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
