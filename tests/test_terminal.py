"""What a person sees of a run: lines from hand-made records, on a terminal and without one."""

import fcntl
import io
import json
import logging
import os
import re
import select
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase

from etsdm.fingerprint import ROOT
from etsdm.terminal import teller
from etsdm.terminal.bars import Bar, last_bar, without_bars
from etsdm.terminal.jobs import Job, Jobs, words
from etsdm.terminal.lines import job_line, shortened, span
from etsdm.terminal.screen import Screen
from etsdm.terminal.teller import Teller

sys.path.append(str(ROOT / "workflow" / "logger"))
import snakemake_logger_plugin_etsdm as plugin

BARS = "\r  0%|          | 0.00/75.2k [00:00<?, ?img/s]\r 76%|███████▋  | 57.4k/75.2k [01:09<00:21, 830img/s]"
MODEL = {"model": "digits-8px/etsdm-100-5-linear-4a04b4f7/seed1"}
NAME = "train digits-8px etsdm-100-5-linear seed1"


@pytest.fixture(autouse=True)
def only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that looks at the jobs by itself waits for longer than a test takes."""
    monkeypatch.setattr(teller, "LIVE", 3600.0)
    monkeypatch.setattr(teller, "UNDRAWN", 3600.0)


def record(event: LogEvent | None = None, at: float = 0.0, text: str = "", **values: Any) -> logging.LogRecord:
    level = logging.ERROR if event in (LogEvent.JOB_ERROR, LogEvent.ERROR) else logging.INFO
    entry = logging.makeLogRecord({"msg": text, "levelno": level, "created": at} | values)
    if event:
        entry.event = event
    return entry


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
        given = {"rule_name": "train", "log": [str(log)], "output": output, "wildcards": wildcards, "local": False}
        self.teller.take(record(LogEvent.JOB_INFO, at, jobid=number, **given | values))
        return log

    def finish(self, number: int, at: float) -> None:
        self.teller.take(record(LogEvent.JOB_FINISHED, at, job_id=number))

    def fail(self, number: int, at: float) -> None:
        given = {"rule_name": "train", "rule_msg": None, "log": [str(self.folder / f"{number}.log")], "aux": {}}
        self.teller.take(record(LogEvent.JOB_ERROR, at, jobid=number, shellcmd=f"etsdm {'x' * 9000}", **given))

    def say(self, text: str, at: float) -> None:
        self.teller.take(record(None, at, text))

    def said(self) -> list[str]:
        """The lines since the last call, without what is said once at the beginning."""
        lines = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return [line for line in lines if "to run:" not in line]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    by_hand = Run(tmp_path)
    yield by_hand
    by_hand.teller.close(0.0)


class TestContract(TestLogHandlerBase):
    """What Snakemake asks of every plugin."""

    __test__ = True

    def get_log_handler_cls(self) -> type[plugin.LogHandler]:
        return plugin.LogHandler

    def get_log_handler_settings(self) -> None:
        return None

    def test_a_dry_run_is_left_to_snakemake(self) -> None:
        handler = self._create_handler()
        assert handler.writes_to_stream
        handler.common_settings.dryrun = True
        assert not plugin.LogHandler(handler.common_settings, None).writes_to_stream


def test_snakemake_takes_the_plugin() -> None:
    registry = LoggerPluginRegistry()
    registry.register_plugin(plugin.__name__, plugin)
    assert registry.is_installed("etsdm")


@pytest.mark.parametrize(
    ("text", "bar"),
    [
        (BARS, Bar(76, "830 img/s", 21.0)),
        (f"{BARS}\netsdm: a word after it\n", Bar(76, "830 img/s", 21.0)),
        (" 12%|█▏        | 1/8 [00:09<1:03:05, 1.20s/img]", Bar(12, "1.20 s/img", 3785.0)),
        ("features: 100%|██████████| 1797/1797 [00:00<00:00, 3308.76 images/s]", Bar(100, "3308.76 images/s", 0.0)),
        ("sample ddim:   0%|          | 0/70 [00:00<?, ? img·NFE/s]", Bar(0, "", None)),
        ("probe:  50%|█████     | 2/4 [00:01<00:01,  1.9 pairs/s, t=10]", Bar(50, "1.9 pairs/s", 1.0)),
        ("nothing of the kind: 50 %", None),
    ],
)
def test_the_last_bar_of_a_log_is_read(text: str, bar: Bar | None) -> None:
    assert last_bar(text) == bar


def test_what_a_bar_leaves_shrinks_with_its_age() -> None:
    bar = last_bar(BARS, age=20.0)
    assert bar and bar.left == 1.0
    bar = last_bar(BARS, age=60.0)
    assert bar and bar.left == 0.0


def test_a_log_is_shown_without_its_bars() -> None:
    assert without_bars(f"begin\n{BARS}\netsdm: error: no good\n") == ["begin", "etsdm: error: no good"]


def test_words_are_the_folders_without_their_digests() -> None:
    wildcards = {"sample": "digits-8px/ddpm-linear-6a87bf48/seed0/ddim-nfe10-uniform-af5f5317", "encoder": "inception"}
    assert words(wildcards) == "digits-8px ddpm-linear seed0 ddim-nfe10-uniform inception"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min"), (80, "1 min 20 s"), (7800, "2 h 10 min"), (90000, "1 d 1 h"), (86400, "1 d")],
)
def test_lengths_of_time_have_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 120])
def test_a_line_fits_and_keeps_what_matters_most(width: int) -> None:
    job = Job("sample", "digits-8px etsdm-100-5-linear seed1 dpm-solverpp-2m-nfe10-log-snr", None, None, 0.0)
    line = job_line(job, Bar(45, "830 img/s", 80.0), 10.0, width, 6)
    assert len(line) <= width
    assert ("45 %" in line) == (width >= 20)
    assert ("1 min 20 s left" in line) == (width >= 60)
    assert ("830 img/s" in line) == (width >= 120)
    assert shortened("abcdefghij", 5) == "ab…ij"


def test_the_time_left_follows_from_what_has_run() -> None:
    jobs = Jobs({"train": 4, "score": 100})
    jobs.running[1] = Job("train", "", None, None, 0.0)
    assert jobs.left({}, 40.0, 40.0) == (0.0, False)
    left, all_known = jobs.left({1: Bar(50, "", 40.0)}, 40.0, 40.0)
    assert (left, all_known) == (40.0 + 3 * 80.0, False)  # one at a time: this one, and three like it
    jobs.finish(1, 80.0)
    jobs.running |= {number: Job("score", "", None, None, 80.0) for number in (2, 3)}
    for number in (2, 3):
        jobs.finish(number, 81.0)
    left, all_known = jobs.left({}, 81.0, 81.0)
    assert all_known
    assert left == pytest.approx((3 * 80.0 + 98 * 1.0) / (82.0 / 81.0))


def test_without_a_terminal_few_lines_are_said(run: Run) -> None:
    """A short job has none; a long one has some, ever more seldom, and one when it ends."""
    run.begin(1, 0.0)
    run.finish(1, 5.0)
    log = run.begin(2, 5.0)
    log.write_text(BARS)
    os.utime(log, (3600.0, 3600.0))
    for now in range(5, 3600, 5):
        run.teller.look(float(now))
    run.finish(2, 3605.0)
    said = run.said()
    mine = [line for line in said if line.startswith(NAME)]
    assert mine[0] == f"{NAME}: 30 s so far, 76 %, 21 s left, 830 img/s"
    assert mine[-1] == f"{NAME}: done in 1 h"
    assert 4 <= len(mine) <= 6
    assert [line for line in said if line.startswith("1 of 3 jobs done, 1 running;")]
    assert len(said) < 50


def test_a_short_run_is_three_lines(tmp_path: Path) -> None:
    stream = io.StringIO()
    run = Run(tmp_path, stream, total=1)
    run.begin(1, 0.0)
    (tmp_path / "1.manifest.json").write_text(json.dumps({"peak_memory_mb": 1812, "peak_gpu_memory_mb": 40000}))
    run.finish(1, 20.0)
    run.teller.close(21.0)
    run.teller.close(22.0)
    assert stream.getvalue().splitlines() == [
        "1 job to run: 1 train",
        "1 of 1 job done in 21 s; all jobs together took 20 s; the largest needed 1,812 MB and 40,000 MB on the GPU",
    ]


def test_a_failed_job_is_told_of_in_full(run: Run) -> None:
    log = run.begin(1, 0.0)
    log.write_text(f"{BARS}\nTraceback\n  here\netsdm: error: no good\n")
    run.fail(1, 9.0)
    assert run.said() == []
    run.teller.look(20.0)
    assert run.said() == [
        "",
        f"Error in {NAME}:",
        f"    {log}:",
        "        Traceback",
        "          here",
        "        etsdm: error: no good",
    ]
    run.say("Complete log(s): /somewhere/.snakemake/log/1.log", 21.0)
    run.teller.close(22.0)
    said = run.said()
    assert said[0] == f"Failed: {NAME}, see {log}"
    assert said[1].startswith("0 of 3 jobs done, 1 failed in 22 s")
    assert said[2].startswith("All that Snakemake says: ")


def test_a_job_that_said_nothing_is_told_of_by_its_command(run: Run) -> None:
    log = run.begin(1, 0.0)
    run.fail(1, 1.0)
    run.teller.look(9.0)
    said = run.said()
    assert said[2].startswith("    its command: etsdm xxx")
    assert said[3] == f"    {log}: nothing was written"
    assert max(map(len, said)) < 350


def test_a_job_that_is_tried_again_has_one_line(run: Run) -> None:
    log = run.begin(1, 0.0)
    log.write_text(f"{BARS}\netsdm: saved after 59,232 images; the same command goes on\n")
    run.fail(1, 9.0)
    run.say("Trying to restart job 1.", 9.1)
    run.teller.look(20.0)
    assert run.said() == [f"{NAME}: is tried again; etsdm: saved after 59,232 images; the same command goes on"]
    run.begin(1, 20.0)
    run.finish(1, 21.0)
    run.teller.close(22.0)
    assert run.said()[0].startswith("1 of 3 jobs done in 22 s")


def test_an_interrupt_is_no_failure(run: Run) -> None:
    run.begin(1, 0.0)
    run.begin(2, 0.0, {"model": "digits-8px/ddpm-linear-6a87bf48/seed0"})
    run.fail(1, 9.0)
    run.say("Terminating processes on user request, this might take some time.", 9.1)
    run.teller.take(record(LogEvent.ERROR, 9.2, 'RuleException:\nCalledProcessError in file "train.smk", line 3'))
    run.teller.look(20.0)
    run.teller.close(21.0)
    said = run.said()
    assert said[0] == "Stopping: the running jobs save what they have and leave."
    assert said[1] == f"Interrupted: {NAME}, train digits-8px ddpm-linear seed0"
    assert len(said) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Nothing to be done (all requested files are present and up to date).", ["Nothing to be done"]),
        ("Building DAG of jobs...", ["Looking for what has to be made"]),
        ("Assuming unrestricted shared filesystem usage.", []),
        ("Select jobs to execute...", []),
    ],
)
def test_what_snakemake_says_besides(run: Run, text: str, said: list[str]) -> None:
    run.say(text, 1.0)
    lines = run.said()
    assert [line[: len(part)] for line, part in zip(lines, said, strict=True)] == said


def test_warnings_and_errors_are_said_as_they_are(run: Run) -> None:
    run.teller.take(record(None, 1.0, "a warning\nof two lines", levelno=logging.WARNING))
    run.teller.take(record(LogEvent.ERROR, 1.0, "WorkflowError:\nno such profile"))
    assert run.said() == ["a warning", "of two lines", "WorkflowError:", "no such profile"]


def test_on_a_cluster_time_in_the_queue_does_not_count(tmp_path: Path) -> None:
    run = Run(tmp_path, total=2, remote=True)
    log = run.begin(1, 0.0)
    run.begin(2, 0.0, local=True)
    run.finish(2, 1.0)
    run.teller.look(600.0)
    assert "1 of 2 jobs done, 0 running, 1 in the queue; 10 min so far" in run.said()[0]
    log.write_text(BARS)
    run.teller.look(700.0)
    run.finish(1, 710.0)
    run.teller.close(711.0)
    assert run.said()[-1].startswith("2 of 2 jobs done in 11 min 51 s; all jobs together took 11 s")


class Terminal:
    """A terminal of a given size, and what stands on it.

    Args:
        columns, lines: its size.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.master, follower = os.openpty()
        self.resize(columns, lines)
        self.stream = os.fdopen(follower, "w")
        self.rows = [""]
        self.row = 0

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def screen(self) -> list[str]:
        """What stands there now. Only what these lines are made with is understood."""
        data = b""
        while select.select([self.master], [], [], 0.1)[0]:
            data += os.read(self.master, 2**16)
        text = data.decode()
        for part in re.findall(r"\x1b\[\d*[AJ]|[\r\n]|[^\x1b\r\n]+", text):
            if part == "\x1b[J":
                self.rows[self.row :] = [""]
            elif part.endswith("A") and part[0] == "\x1b":
                self.row -= int(part[2:-1])
            elif part == "\n":
                self.row += 1
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif part != "\r":
                self.rows[self.row] = part + self.rows[self.row][len(part) :]
        return self.rows


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    small = Terminal(columns=100, lines=24)
    yield small
    with suppress(OSError):  # it may be gone
        small.stream.close()
    os.close(small.master)


def test_on_a_terminal_lines_are_drawn_in_their_place(tmp_path: Path, terminal: Terminal) -> None:
    run = Run(tmp_path, terminal.stream)
    log = run.begin(1, 0.0)
    log.write_text(BARS)
    os.utime(log, (80.0, 80.0))
    run.begin(2, 70.0, {"model": "digits-8px/ddpm-linear-6a87bf48/seed0"})
    for now in (78.0, 79.0, 80.0):
        run.teller.look(now)
    screen = terminal.screen()
    assert screen[0] == "3 jobs to run: 3 train"
    assert screen[2].startswith("0 of 3 jobs done, 2 running; 1 min 20 s so far; ")
    assert re.fullmatch(r"  train  digits-8px etsdm-100-5-linear seed1 +76 %  21 s left +830 img/s", screen[3])
    assert re.fullmatch(r"  train  digits-8px ddpm-linear seed0 +10 s", screen[4])
    assert len(screen) == 5
    run.finish(1, 90.0)
    run.finish(2, 91.0)
    run.teller.look(91.0)
    run.teller.close(92.0)
    assert terminal.screen() == [
        "3 jobs to run: 3 train",
        f"{NAME}: done in 1 min 30 s",
        "2 of 3 jobs done in 1 min 32 s; all jobs together took 1 min 51 s",
        "",
    ]


def test_what_others_write_stays(tmp_path: Path, terminal: Terminal) -> None:
    run = Run(tmp_path, terminal.stream)
    run.begin(1, 0.0)
    run.teller.look(1.0)
    terminal.stream.write("etsdm: warning: of another process\n")
    run.teller.look(2.0)
    run.teller.close(3.0)
    assert terminal.screen()[1] == "etsdm: warning: of another process"


def test_a_terminal_that_shrinks_breaks_no_line(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    lines = ["x" * 90, *(f"line {number}" for number in range(40))]
    screen.draw(lines)
    assert len(terminal.screen()) == 23
    terminal.resize(20, 6)
    screen.draw(lines)
    assert terminal.screen() == ["", "x" * 19, "line 0", "line 1", "line 2"]
    terminal.resize(1, 1)
    screen.draw(lines)
    assert terminal.screen() == [""]


def test_a_terminal_that_is_gone_stops_nothing(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    screen.draw(["a"])
    os.dup2(os.open(os.devnull, os.O_RDWR), terminal.master)
    screen.say("b")


def test_a_dumb_terminal_gets_lasting_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen(terminal.stream).is_live
