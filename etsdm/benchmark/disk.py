"""How many files a benchmark makes: file systems limit them, too."""

from collections import Counter

FILES = {
    "prepare": 7,
    "classifier": 4,
    "inception": 4,
    "train": 6,
    "snapshot": 4,
    "sample": 4,
    "restore": 5,
    "sample_features": 3,
    "reference_features": 3,
    "reference": 3,
    "score": 3,
    "compare": 3,
    "probe": 4,
    "theory": 4,
}
"""Files that a job of each rule leaves in results/: outputs, manifest, log, the run's specification, hidden ones."""
NOTES = {"prepare": 3, "train": 3, "restore": 3}
"""Files that Snakemake leaves in .snakemake/ for a job of each rule, one an output; two for all others."""


def count_files(rules: Counter[str], snapshots: int) -> int:
    """Files in results/ after so many jobs by rule, and so many snapshots kept by trainings; the report aside."""
    return sum(FILES[rule] * number for rule, number in rules.items()) + snapshots


def count_notes(rules: Counter[str]) -> int:
    """Files in .snakemake/ after so many jobs by rule; the report aside."""
    return sum(NOTES.get(rule, 2) * number for rule, number in rules.items())
