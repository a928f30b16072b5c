"""Records as Snakemake's logger makes them, by hand."""

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from etsdm.terminal import teller
from etsdm.terminal.teller import Teller

BARS = "\r  0%|          | 0.00/75.2k [00:00<?, ?img/s]\r 76%|███████▋  | 57.4k/75.2k [01:09<00:21, 830img/s]"
MODEL = {"model": "digits-8px/etsdm-100-5-linear-4a04b4f7/seed1"}
NAME = "train digits-8px etsdm-100-5-linear seed1"


def record(event: LogEvent | None = None, at: float = 0.0, text: str = "", **values: Any) -> logging.LogRecord:
    level = logging.ERROR if event in (LogEvent.JOB_ERROR, LogEvent.ERROR) else logging.INFO
    entry = logging.makeLogRecord({"msg": text, "levelno": level, "created": at} | values)
    if event:
        entry.event = event
    return entry


def stop_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that looks at the jobs by itself waits for longer than a test takes."""
    monkeypatch.setattr(teller, "LIVE", 3600.0)
    monkeypatch.setattr(teller, "UNDRAWN", 3600.0)


class Run:
    """A run whose records are made by hand, in a folder for its files.

    Args:
        folder: for logs and manifests.
        stream: where it is said.
        total: number of trainings.
        remote: whether the jobs run on a cluster.
    """

    def __init__(self, folder: Path, stream: Any = None, total: int = 3, remote: bool = False) -> None:
        self.folder = folder
        self.stream = stream or io.StringIO()
        self.teller = Teller(self.stream)
        if remote:
            self.teller.take(record(LogEvent.RESOURCES_INFO, nodes=100))
        self.teller.take(record(LogEvent.RUN_INFO, stats={"train": total, "total": total}))

    def begin(self, number: int, at: float, wildcards: dict[str, str] = MODEL, **values: Any) -> Path:
        """Begin a training; its log."""
        log = self.folder / f"{number}.log"
        output = [str(self.folder / f"{number}.manifest.json")]
        fields = {"rule_name": "train", "log": [str(log)], "output": output, "wildcards": wildcards, "local": False}
        self.teller.take(record(LogEvent.JOB_INFO, at, jobid=number, **fields | values))
        return log

    def finish(self, number: int, at: float) -> None:
        self.teller.take(record(LogEvent.JOB_FINISHED, at, job_id=number))

    def fail(self, number: int, at: float) -> None:
        fields = {"rule_name": "train", "rule_msg": None, "log": [str(self.folder / f"{number}.log")], "aux": {}}
        self.teller.take(record(LogEvent.JOB_ERROR, at, jobid=number, shellcmd=f"etsdm {'x' * 9000}", **fields))

    def say(self, text: str, at: float) -> None:
        self.teller.take(record(None, at, text))

    def lines(self) -> list[str]:
        """The lines since the last call, without what is said once at the beginning."""
        lines = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return [line for line in lines if "to run:" not in line]
