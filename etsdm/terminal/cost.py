"""What a run took: time, and memory by the manifests of its jobs."""

import json
from pathlib import Path
from typing import Any

from etsdm.terminal.jobs import Job, Jobs
from etsdm.terminal.lines import counted, span

KINDS = {"peak_memory_mb": "", "peak_gpu_memory_mb": " on the GPU"}
"""Keys of a manifest, in MiB, and where that memory is."""
SKEW = 60.0
"""Seconds by which clocks of machines may differ."""


class Peaks:
    """The most memory that one job took."""

    def __init__(self) -> None:
        self._most: dict[str, int] = {}

    def add(self, job: Job) -> None:
        """Count a job that has ended well, if it wrote its manifest: one that was kept is put back as it was."""
        content = _read(job.manifest, (job.since or 0.0) - SKEW) if job.manifest else {}
        for key in KINDS:
            if isinstance(content.get(key), int):
                self._most[key] = max(content[key], self._most.get(key, 0))

    def __str__(self) -> str:
        return " and ".join(f"{self._most[key]:,} MB{where}" for key, where in KINDS.items() if key in self._most)


def cost_line(jobs: Jobs, peaks: Peaks, elapsed: float, now: float) -> str:
    """How many jobs ended well, how long all of it and all jobs together took, and the most memory of one job.

    Args:
        jobs: of the run.
        peaks: of their memory.
        elapsed: seconds since the run began.
        now: the time.
    """
    failed = f", {len(jobs.failed)} failed" if jobs.failed else ""
    took = f"{jobs.done} of {counted(jobs.total)} done{failed} in {span(elapsed)}"
    memory = [f"the largest needed {peaks}"] if str(peaks) else []
    return "; ".join([took, f"all jobs together took {span(jobs.summed(now))}", *memory])


def _read(manifest: Path, since: float) -> dict[str, Any]:
    """A manifest; empty if it is not there, damaged, or older."""
    try:
        content = json.loads(manifest.read_text(encoding="utf-8")) if manifest.stat().st_mtime >= since else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
