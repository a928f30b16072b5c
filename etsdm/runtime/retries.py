"""Fewer retries for jobs that never begin: Snakemake counts them like time slices, of which a job may need many."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etsdm.runtime.attempts import file_of

ENOUGH = 3
"""Attempts in a row that never began after which the next would fail as they did."""


class Retries:
    """What tells Snakemake's scheduler of failed jobs, and ends the retries of those that never begin.

    A submission that is refused, or a job that dies before `etsdm` starts, adds nothing to the file of attempts.

    Args:
        tell: the scheduler's own function for a failed job.
    """

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self._tell = tell
        self._starts: dict[Path, int] = {}
        self._in_vain: Counter[Path] = Counter()

    def failed(self, job: Any) -> None:
        """Tell the scheduler of a failed job, of Snakemake's kind."""
        manifest = None if job.is_group() else job.output.get("manifest")
        if manifest and self._is_hopeless(file_of(Path(manifest))):
            job.attempt = job.restart_times + 1  # its last
            print(
                f"etsdm: {manifest}: {ENOUGH} attempts in a row were refused, or died before etsdm began; "
                "it is not tried again (the reason stands above, or in .snakemake/slurm_logs/)",
                file=sys.stderr,
                flush=True,
            )
        self._tell(job)

    def _is_hopeless(self, attempts: Path) -> bool:
        starts = attempts.read_bytes().count(b'"started"') if attempts.exists() else 0
        if starts == self._starts.get(attempts, 0):
            self._in_vain[attempts] += 1
        else:
            self._in_vain[attempts] = 0
        self._starts[attempts] = starts
        return self._in_vain[attempts] >= ENOUGH
