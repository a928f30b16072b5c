"""What a person sees of a run without a terminal: lines from hand-made records."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import snakemake_logger_plugin_etsdm as plugin
from records import BARS, NAME, Run, record, stop_looking
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase

from etsdm.terminal.bars import Bar, last_bar, without_bars
from etsdm.terminal.jobs import Job, Jobs, words
from etsdm.terminal.lines import job_line, shortened, span


@pytest.fixture(autouse=True)
def only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_looking(monkeypatch)


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
    lines = run.lines()
    mine = [line for line in lines if line.startswith(NAME)]
    assert mine[0] == f"{NAME}: 30 s so far, 76 %, 21 s left, 830 img/s"
    assert mine[-1] == f"{NAME}: done in 1 h"
    assert 4 <= len(mine) <= 6
    assert [line for line in lines if line.startswith("1 of 3 jobs done, 1 running;")]
    assert len(lines) < 50


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
    assert run.lines() == []
    run.teller.look(20.0)
    assert run.lines() == [
        "",
        f"Error in {NAME}:",
        f"    {log}:",
        "        Traceback",
        "          here",
        "        etsdm: error: no good",
    ]
    run.say("Complete log(s): /somewhere/.snakemake/log/1.log", 21.0)
    run.teller.close(22.0)
    lines = run.lines()
    assert lines[0] == f"Failed: {NAME}, see {log}"
    assert lines[1].startswith("0 of 3 jobs done, 1 failed in 22 s")
    assert lines[2].startswith("All that Snakemake says: ")


def test_a_job_that_said_nothing_is_told_of_by_its_command(run: Run) -> None:
    log = run.begin(1, 0.0)
    run.fail(1, 1.0)
    run.teller.look(9.0)
    lines = run.lines()
    assert lines[2].startswith("    its command: etsdm xxx")
    assert lines[3] == f"    {log}: nothing was written"
    assert max(map(len, lines)) < 350


def test_a_job_that_is_tried_again_has_one_line(run: Run) -> None:
    log = run.begin(1, 0.0)
    log.write_text(f"{BARS}\netsdm: saved after 59,232 images; the same command goes on\n")
    run.fail(1, 9.0)
    run.say("Trying to restart job 1.", 9.1)
    run.teller.look(20.0)
    assert run.lines() == [f"{NAME}: is tried again; etsdm: saved after 59,232 images; the same command goes on"]
    run.begin(1, 20.0)
    run.finish(1, 21.0)
    run.teller.close(22.0)
    assert run.lines()[0].startswith("1 of 3 jobs done in 22 s")


def test_an_interrupt_is_no_failure(run: Run) -> None:
    run.begin(1, 0.0)
    run.begin(2, 0.0, {"model": "digits-8px/ddpm-linear-6a87bf48/seed0"})
    run.fail(1, 9.0)
    run.say("Terminating processes on user request, this might take some time.", 9.1)
    run.teller.take(record(LogEvent.ERROR, 9.2, 'RuleException:\nCalledProcessError in file "train.smk", line 3'))
    run.teller.look(20.0)
    run.teller.close(21.0)
    lines = run.lines()
    assert lines[0] == "Stopping: the running jobs save what they have and leave."
    assert lines[1] == f"Interrupted: {NAME}, train digits-8px ddpm-linear seed0"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nothing to be done (all requested files are present and up to date).", ["Nothing to be done"]),
        ("Building DAG of jobs...", ["Looking for what has to be made"]),
        ("Assuming unrestricted shared filesystem usage.", []),
        ("Select jobs to execute...", []),
    ],
)
def test_what_snakemake_says_besides(run: Run, text: str, expected: list[str]) -> None:
    run.say(text, 1.0)
    lines = run.lines()
    assert [line[: len(part)] for line, part in zip(lines, expected, strict=True)] == expected


def test_warnings_and_errors_are_said_as_they_are(run: Run) -> None:
    run.teller.take(record(None, 1.0, "a warning\nof two lines", levelno=logging.WARNING))
    run.teller.take(record(LogEvent.ERROR, 1.0, "WorkflowError:\nno such profile"))
    assert run.lines() == ["a warning", "of two lines", "WorkflowError:", "no such profile"]


def test_on_a_cluster_time_in_the_queue_does_not_count(tmp_path: Path) -> None:
    run = Run(tmp_path, total=2, remote=True)
    log = run.begin(1, 0.0)
    run.begin(2, 0.0, local=True)
    run.finish(2, 1.0)
    run.teller.look(600.0)
    assert "1 of 2 jobs done, 0 running, 1 in the queue; 10 min so far" in run.lines()[0]
    log.write_text(BARS)
    run.teller.look(700.0)
    run.finish(1, 710.0)
    run.teller.close(711.0)
    assert run.lines()[-1].startswith("2 of 2 jobs done in 11 min 51 s; all jobs together took 11 s")
