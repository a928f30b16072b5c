"""Lines on jobs, each fitted into the width of a terminal."""

from etsdm.terminal.bars import Bar
from etsdm.terminal.jobs import Job, Jobs

BESIDE_LEFT, BESIDE_RATE, MOST = 16, 40, 64
"""Columns for what a job makes: with fewer, the time left goes from its line, or its rate; no more are filled."""
PERCENT, LEFT, RATE = 5, 16, 16
"""Columns for how far a job is, how long it still takes, and how fast it is."""
SHOWN = 6
"""Stages that the first line names; the others are counted."""


def span(seconds: float) -> str:
    """A length of time, in its two largest units."""
    whole = round(seconds)
    for length, unit, part, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= length:
            rest = whole % length // part
            return f"{whole // length} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def plan_line(jobs: Jobs) -> str:
    """How many jobs there are, and of which stages most of them."""
    stages = sorted(jobs.planned.items(), key=lambda stage: -stage[1])
    counts = [f"{count} {stage}" for stage, count in stages[:SHOWN]]
    if others := sum(count for _, count in stages[SHOWN:]):
        counts.append(f"{others} other")
    return f"{counted(jobs.total)} to run: {', '.join(counts)}"


def whole_line(jobs: Jobs, bars: dict[int, Bar], elapsed: float, now: float) -> str:
    """How far all of it is."""
    queued = sum(job.since is None for job in jobs.running.values())
    states = [
        f"{jobs.done} of {counted(jobs.total)} done",
        f"{len(jobs.running) - queued} running",
        f"{queued} in the queue" if queued else "",
        f"{len(jobs.failed)} failed" if jobs.failed else "",
    ]
    seconds, all_known = jobs.left(bars, elapsed, now)
    left = f"; {'about' if all_known else 'at least'} {span(seconds)} left" if seconds >= 1 else ""
    return f"{', '.join(filter(None, states))}; {span(elapsed)} so far{left}"


def counted(jobs: int) -> str:
    """A number of jobs in words."""
    return f"{jobs} job{'' if jobs == 1 else 's'}"


def progress(job: Job, bar: Bar | None, now: float) -> list[str]:
    """How far a job is, how long it still takes and how fast it is; what matters least comes last."""
    if job.since is None:
        return ["in the queue"]
    if bar is None:
        return [span(job.seconds(now))]
    return [f"{bar.percent} %", _left(bar) or span(job.seconds(now)), bar.rate]


def lasting_line(job: Job, bar: Bar | None, now: float) -> str:
    """A job that has been at work for a while, in a line that stays."""
    parts = [f"{bar.percent} %", _left(bar), bar.rate] if bar else []
    return ", ".join([f"{job.name}: {span(job.seconds(now))} so far", *filter(None, parts)])


def _left(bar: Bar) -> str:
    if bar.left is None:
        return ""
    return f"{span(bar.left)} left" if bar.left >= 1 else "almost done"


def job_line(job: Job, bar: Bar | None, now: float, width: int, stages: int) -> str:
    """A job in one line of at most `width` columns; its stage takes `stages` of them."""
    head, parts = f"  {job.stage:<{stages}}  ", _columns(progress(job, bar, now))
    for least in (BESIDE_RATE, BESIDE_LEFT):
        if width - len(head) - len("  ".join(parts)) - 2 < min(len(job.product), least):
            parts.pop()
    tail = "  ".join(parts)
    room = max(0, width - len(head) - len(tail) - 2)
    return f"{head}{shortened(job.product, room):<{min(room, MOST)}}  {tail}"[:width].rstrip()


def _columns(parts: list[str]) -> list[str]:
    """The parts below those of other jobs."""
    if len(parts) == 1:
        return [f"{'':{PERCENT}}", f"{parts[0]:<{LEFT}}", f"{'':{RATE}}"]
    percent, left, rate = parts
    return [f"{percent:>{PERCENT}}", f"{left:<{LEFT}}", f"{rate:<{RATE}}"]


def shortened(text: str, room: int) -> str:
    """A text in at most `room` columns: its middle goes, as both ends tell jobs apart."""
    if len(text) <= room:
        return text
    if room < 3:
        return text[:room]
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[-end:]}"
