"""The bytes and the number of files that a benchmark takes: file systems limit both."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from etsdm.metrics.encoders import ENCODERS
from etsdm.training.snapshots import half_lives, intermediate

if TYPE_CHECKING:
    from etsdm.config.keep import Keep
    from etsdm.config.training import Training
    from etsdm.cost.jobs import Job

BYTES_A_VALUE = 0.65
"""A pixel and channel in the PNG of a photograph: measured 0.79 at 32 px, 0.59 at 256 px, and 1.0 for noise."""
BYTES_AN_IMAGE = 200
"""Headers of a PNG and of its entry in an archive: measured 180 on the 8 px digits, pixels aside."""
BYTES_OF_STATE = 3 * 4
"""A float32 of a parameter while it is trained, in two states and one being written."""
MOMENTS = 2
"""Of each parameter, in the optimizer."""
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


def bytes_of(job: "Job", images: "Callable[[Job], int]", parameters: "Callable[[Job], int]", keep: "Keep") -> float:
    """On disk when a job is done: images, weights and features; what is small is left out.

    Args:
        job: the job.
        images: how many a job makes or reads; 0 where their number is not known.
        parameters: how many a network has, which a job trains.
        keep: what is kept.
    """
    if job.rule == "train":
        return 4.0 * parameters(job) * (1 + _snapshots(job))
    if job.encoder:
        return 4.0 * ENCODERS[job.encoder.spec["name"]].length * images(job)
    if job.rule == "prepare":  # and decoded, for training
        return images(job) * (_png_bytes(job.run.spec) + (_values(job.run.spec) if keep.maps else 0))
    if job.rule == "sample" and keep.samples == "all":
        return images(job) * _png_bytes(job.run.needs["model"].spec["dataset"])
    if job.rule == "restore":  # and the low-resolution images beside the restored ones
        return 2 * images(job) * _png_bytes(job.run.needs["test"].spec)
    return 0.0


def _png_bytes(dataset: dict[str, Any]) -> float:
    return BYTES_A_VALUE * _values(dataset) + BYTES_AN_IMAGE


def _values(dataset: dict[str, Any]) -> int:
    """Pixels times channels of an image."""
    return int(dataset["channels"] * dataset["resolution"] ** 2)


def state_bytes(training: "Training", parameters: int) -> float:
    """Of the saved states of a network while it is trained.

    Args:
        training: settings of the training.
        parameters: of the network.
    """
    return BYTES_OF_STATE * (1 + MOMENTS + len(half_lives(training))) * parameters


def in_units(size: float) -> str:
    """Bytes for people, with three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.2f} TB"
