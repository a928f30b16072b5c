"""How many files a benchmark makes: file systems limit them, too."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from etsdm.training.snapshots import intermediate

if TYPE_CHECKING:
    from etsdm.config.keep import Keep
    from etsdm.cost.jobs import Job

FILES = {
    "prepare": 12,
    "encoder": 4,
    "train": 6,
    "snapshot": 4,
    "sample": 4,
    "excerpt": 3,
    "restore": 5,
    "sample_features": 3,
    "reference_features": 3,
    "reference": 3,
    "score": 3,
    "compare": 3,
    "probe": 4,
    "theory": 6,
}
"""Files that a job of each rule leaves in results/: outputs, manifest, log, the run's specification, hidden ones."""
FILES_OF_A_COPY = 6
"""The same of a rule that is not above: that of an encoder whose weights are copied or downloaded."""
NOTES = {"prepare": 4, "train": 3, "restore": 3}
"""Files that Snakemake leaves in .snakemake/ for a job of each rule, one an output; two for all others."""


LOGGED = ("sample", "excerpt", "restore", "sample_features", "score", "compare")
"""Rules whose log goes with `keep.logs`."""


def count_files(jobs: "Iterable[Job]", keep: "Keep") -> int:
    """Files in results/ when these jobs are done and what is not to be kept is gone; the report aside."""
    return sum(FILES.get(job.rule, FILES_OF_A_COPY) + _snapshots(job) - _removed(job.rule, keep) for job in jobs)


def _snapshots(job: "Job") -> int:
    return len(intermediate(job.run.model.training)) if job.rule == "train" else 0


def _removed(rule: str, keep: "Keep") -> int:
    archive = rule == "sample" and keep.samples != "all"
    decoded = rule == "prepare" and not keep.maps
    return archive + decoded + (rule in LOGGED and not keep.logs)


def count_notes(jobs: "Iterable[Job]") -> int:
    """Files in .snakemake/ when these jobs are done; the report aside."""
    return sum(NOTES.get(rule, 2) * number for rule, number in Counter(job.rule for job in jobs).items())
