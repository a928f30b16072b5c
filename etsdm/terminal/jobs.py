"""The jobs of a workflow that runs: how many there are, which are at work, and how they ended."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etsdm.terminal.bars import Bar

DIGEST = re.compile(r"-[0-9a-f]{8}(?=/|$)")
"""What ends the name of a folder of results: it tells settings apart, and means nothing to a reader."""
LONG = 30.0
"""Seconds after which a job is worth a line of its own."""


@dataclass
class Job:
    """A job that was started, or handed to a cluster.

    Attributes:
        stage: name of its rule.
        product: what it makes, in a few words.
        log: where it says what it does; None if it says nothing.
        manifest: what it writes about itself.
        since: when it began to work, in seconds; None while it waits in a queue.
        log_before: what the log was like before it began.
        due: seconds at work after which it is worth a line.
    """

    stage: str
    product: str
    log: Path | None
    manifest: Path | None
    since: float | None
    log_before: tuple[int, int] | None = None
    due: float = LONG

    @property
    def name(self) -> str:
        """Its stage and what it makes."""
        return f"{self.stage} {self.product}".strip()

    def look(self, now: float) -> None:
        """Notice, by its log, that it has left the queue."""
        if self.since is None and self.log and state_of(self.log) != self.log_before:
            self.since = now

    def seconds(self, now: float) -> float:
        """How long it has been at work."""
        return 0.0 if self.since is None else max(0.0, now - self.since)


def state_of(log: Path) -> tuple[int, int] | None:
    """What tells one state of a file from another; None if it is not there."""
    try:
        state = log.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


def words(wildcards: dict[str, Any]) -> str:
    """The wildcards of a job as a few words: the names of its folders, without their digests."""
    return " ".join(DIGEST.sub("", str(value)).replace("/", " ") for value in wildcards.values())


@dataclass
class Jobs:
    """All jobs of a run.

    Attributes:
        planned: number of jobs by stage.
        running: those at work or in a queue, by Snakemake's number.
        seconds: how long those that ended well took, by stage.
        failed: those that are not tried again.
    """

    planned: dict[str, int] = field(default_factory=dict)
    running: dict[int, Job] = field(default_factory=dict)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[Job] = field(default_factory=list)
    _past: float = 0.0

    @property
    def total(self) -> int:
        """Number of all jobs."""
        return sum(self.planned.values())

    @property
    def done(self) -> int:
        """Number of jobs that ended well."""
        return sum(map(len, self.seconds.values()))

    def end(self, number: int, now: float) -> Job | None:
        """Take a job from those that run, whichever way it ended; None if it is not known."""
        job = self.running.pop(number, None)
        if job:
            self._past += job.seconds(now)
        return job

    def finish(self, number: int, now: float) -> Job | None:
        """Note that a job has ended well."""
        job = self.end(number, now)
        if job:
            self.seconds[job.stage].append(job.seconds(now))
        return job

    def summed(self, now: float) -> float:
        """Seconds of all jobs together."""
        return self._past + sum(job.seconds(now) for job in self.running.values())

    def left(self, bars: dict[int, Bar], elapsed: float, now: float) -> tuple[float, bool]:
        """Seconds that are left, from the jobs that have run and from how far others are; and whether that is all.

        It is not while there are more than a few jobs to come of stages of which none has run.

        Args:
            bars: of jobs that run, by number.
            elapsed: seconds since the run began.
            now: the time.
        """
        usual = {stage: sum(took) / len(took) for stage, took in self.seconds.items()}
        rest = {n: self._rest(job, bars.get(n), usual, now) for n, job in self.running.items()}
        for number, job in self.running.items():
            if (seconds := rest[number]) is not None:
                usual.setdefault(job.stage, job.seconds(now) + seconds)
        ended = Counter({stage: len(took) for stage, took in self.seconds.items()})
        known = [seconds for seconds in rest.values() if seconds is not None]
        started = ended + Counter(job.stage for job in [*self.running.values(), *self.failed])
        waiting = {stage: max(0, count - started[stage]) for stage, count in self.planned.items()}
        work = sum(known) + sum(count * usual.get(stage, 0.0) for stage, count in waiting.items())
        at_once = max(1.0, self.summed(now) / elapsed) if elapsed > 0 else 1.0
        unknown = sum(count for stage, count in waiting.items() if stage not in usual) + len(rest) - len(known)
        return max([work / at_once, *known]), unknown <= FEW * (sum(waiting.values()) + len(rest))

    def _rest(self, job: Job, bar: Bar | None, usual: dict[str, float], now: float) -> float | None:
        """Seconds that a job still needs, by its bar or by others of its stage; None if neither tells."""
        if bar and bar.left is not None:
            return bar.left
        return max(0.0, usual[job.stage] - job.seconds(now)) if job.stage in usual else None


FEW = 0.1
"""The part of all jobs to come of which nothing needs to be known to say how long the rest takes."""
