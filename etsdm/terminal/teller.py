"""What Snakemake's records of a run become: lines on a terminal, or now and then a line where there is none."""

import os
import re
import threading
import time
from collections.abc import Mapping
from logging import WARNING, LogRecord
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from etsdm.terminal.bars import Bar, bar_at
from etsdm.terminal.cost import Peaks, cost_line
from etsdm.terminal.failure import failure, failures, first, last_words
from etsdm.terminal.jobs import LONG, Job, Jobs, state_of, words
from etsdm.terminal.lines import job_line, lasting_line, plan_line, span, whole_line
from etsdm.terminal.screen import Screen

LIVE, UNDRAWN = 1.0, 5.0
"""Seconds between two looks at the jobs, with a terminal and without."""
LATER = 4
"""A long job has its next line when it has taken this many times as long."""
OFTEN, RARELY = 30.0, 1800.0
"""Seconds between two lines on the whole, where there is no terminal: a tenth of the time so far, within these."""
PATIENCE = 3.0
"""Seconds in which Snakemake says that a failed job is tried again."""
AGAIN = re.compile(r"Trying to restart job (\d+)\.")
COMPLETE = re.compile(r"Complete log\(s\): (.+)")
STOPPING = "Terminating processes on user request"
SAID = {
    "Building DAG of jobs": "Looking for what has to be made ...",
    "Nothing to be done": "Nothing to be done: all results are there and up to date.",
    STOPPING: "Stopping: the running jobs save what they have and leave.",
    "Will exit after finishing": "Stopping when the running jobs have ended.",
    "Exiting because a job execution failed": "",
    "At least one job did not complete": "",
    "CalledProcessError in file": "",
}
"""Parts of messages, and what is said instead; nothing, where other lines say it."""


class Failed(NamedTuple):
    """A job that failed, until it is clear whether it is tried again."""

    job: Job
    when: float
    text: str
    last_words: str


class Teller:
    """Takes records, and says what matters of them.

    Args:
        stream: where to say it.
        in_full: whether to show the logs of failed jobs.
    """

    def __init__(self, stream: TextIO, in_full: bool = True) -> None:
        self.jobs = Jobs()
        self._screen = Screen(stream)
        self._in_full = in_full
        self._live = self._screen.is_live
        self._remote = False
        self._started = self._next = 0.0
        self._failed: dict[int, Failed] = {}
        self._peaks = Peaks()
        self._complete = ""
        self._stopping = False
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._watch: threading.Thread | None = None
        self._events = {
            "run_info": self._plan,
            "resources_info": self._resources,
            "job_info": self._begin,
            "job_finished": self._finish,
            "job_error": self._fail,
        }

    def take(self, record: LogRecord) -> None:
        """Take a record of Snakemake's."""
        with self._lock:
            known = self._events.get(str(vars(record).get("event")))
            if known:
                known(vars(record), record.created)
            elif "event" not in vars(record) or record.levelno >= WARNING:
                self._say(record)

    def look(self, now: float) -> None:
        """See how far the jobs are, and say so if it is time."""
        with self._lock:
            self._give_up([number for number, failed in self._failed.items() if now - failed.when >= PATIENCE])
            for job in self.jobs.running.values():
                job.look(now)
            if self._live:
                self._draw(now)
            else:
                self._say_now_and_then(now)

    def close(self, now: float) -> None:
        """Leave the terminal clean, and say what the run took; a second time does nothing."""
        self._over.set()
        watch, self._watch = self._watch, None
        if watch:
            watch.join()
        with self._lock:
            self._screen.clear()
            self._give_up(list(self._failed))
            if watch:
                self._say_end(now)

    def _plan(self, values: Mapping[str, Any], now: float) -> None:
        self.jobs.planned = {stage: count for stage, count in values["stats"].items() if stage != "total"}
        self._started, self._next = now, now + OFTEN
        self._screen.say(plan_line(self.jobs))
        self._watch = threading.Thread(target=self._keep_looking, daemon=True)
        self._watch.start()

    def _keep_looking(self) -> None:
        while not self._over.wait(LIVE if self._live else UNDRAWN):
            self.look(time.time())

    def _resources(self, values: Mapping[str, Any], _: float) -> None:
        if "nodes" in values:  # of a cluster, where a run takes days
            self._remote, self._live = True, False

    def _begin(self, values: Mapping[str, Any], now: float) -> None:
        log = next((Path(file) for file in values["log"]), None)
        waits = self._remote and not values.get("local")
        self.jobs.running[values["jobid"]] = Job(
            stage=values["rule_name"],
            product=words(values["wildcards"]),
            log=log,
            manifest=next((Path(file) for file in values["output"] if file.endswith("manifest.json")), None),
            since=None if waits and log else now,  # its log tells when it leaves the queue
            log_before=state_of(log) if log else None,
        )

    def _finish(self, values: Mapping[str, Any], now: float) -> None:
        job = self.jobs.finish(values["job_id"], now)
        if job is None:
            return
        self._peaks.add(job)
        if job.seconds(now) >= LONG:
            self._screen.say(f"{job.name}: done in {span(job.seconds(now))}")

    def _fail(self, values: Mapping[str, Any], now: float) -> None:
        job = self.jobs.end(values["jobid"], now)
        text = failure(job.name if job else values["rule_name"], values, self._in_full)
        if job:
            self._failed[values["jobid"]] = Failed(job, now, text, last_words([str(file) for file in values["log"]]))
        else:
            self._screen.say(text)

    def _try_again(self, number: int) -> None:
        if failed := self._failed.pop(number, None):
            self._screen.say(f"{failed.job.name}: is tried again; {failed.last_words or 'its log says nothing'}")

    def _give_up(self, numbers: list[int]) -> None:
        for failed in map(self._failed.pop, [] if self._stopping else numbers):
            self.jobs.failed.append(failed.job)
            self._screen.say(failed.text)

    def _say(self, record: LogRecord) -> None:
        text = record.getMessage()
        if again := AGAIN.match(text):
            self._try_again(int(again[1]))
        elif complete := COMPLETE.match(text):
            self._complete = complete[1]
        else:
            self._stopping |= STOPPING in text
            unchanged = text if record.levelno >= WARNING else ""
            if message := next((instead for part, instead in SAID.items() if part in text), unchanged):
                self._screen.say(message)

    def _bars(self, now: float) -> dict[int, Bar]:
        read = {n: bar_at(job.log, now) for n, job in self.jobs.running.items() if job.log and job.since is not None}
        return {number: bar for number, bar in read.items() if bar}

    def _draw(self, now: float) -> None:
        bars, running = self._bars(now), self.jobs.running
        stages = max((len(job.stage) for job in running.values()), default=0)
        width = self._screen.width()
        lines = [job_line(job, bars.get(number), now, width, stages) for number, job in running.items()]
        self._screen.draw([whole_line(self.jobs, bars, now - self._started, now), *lines])

    def _say_now_and_then(self, now: float) -> None:
        elapsed = now - self._started
        if now >= self._next:
            self._screen.say(whole_line(self.jobs, self._bars(now), elapsed, now))
            self._next = now + min(max(elapsed / 10, OFTEN), RARELY)
        for job in self.jobs.running.values():
            if job.seconds(now) >= job.due:
                job.due = LATER * job.seconds(now)
                self._screen.say(lasting_line(job, bar_at(job.log, now) if job.log else None, now))

    def _say_end(self, now: float) -> None:
        took = cost_line(self.jobs, self._peaks, now - self._started, now)
        for line in [*failures(self.jobs.failed), *self._interrupted(), took]:
            self._screen.say(line)
        if self._complete and self.jobs.failed:
            self._screen.say(f"All that Snakemake says: {os.path.relpath(self._complete)}")

    def _interrupted(self) -> list[str]:
        """A line on what was at work when the run was stopped; on none otherwise."""
        names = [job.name for job in [*(failed.job for failed in self._failed.values()), *self.jobs.running.values()]]
        return [f"Interrupted: {', '.join(first(names))}"] if names else []
