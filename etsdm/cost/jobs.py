"""The jobs of the workflow, as estimates count them."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from etsdm.plan.runs import Run
from etsdm.report.contents import figure_names

if TYPE_CHECKING:
    from etsdm.plan.plan import Plan
    from etsdm.plan.runs import Measurement

RULES = (
    "prepare",
    "encoder",
    "train",
    "snapshot",
    "sample",
    "excerpt",
    "restore",
    "sample_features",
    "reference_features",
    "reference",
    "score",
    "compare",
    "probe",
    "theory",
)
"""Rules of the jobs that are counted, in the order of the workflow. An encoder that is not trained has one of its own,
which stands beside `encoder`."""
LAST_RULES = {"distance": "score", "restoration": "compare", "theory": "theory"}
"""The rule that makes the file of each kind of measurement; all others are probes."""


class Job(NamedTuple):
    """A job of the workflow. Its rule and its path tell it from all others."""

    rule: str
    path: str
    run: Run
    encoder: Run | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Equal for equal jobs."""
        return self.rule, self.path


def _jobs_behind(m: "Measurement") -> Iterator[Job]:
    """Every job that a measurement needs, its own the last."""
    if m.model and m.training:
        data = m.model.needs["data"]
        yield Job("prepare", data.path, data)
        yield Job("train", m.training.path, m.training)
        if m.model is not m.training:
            yield Job("snapshot", m.model.path, m.model)
        if m.encoder:
            yield Job("sample", m.run.path, m.run)
            yield Job("encoder" if m.encoder.needs else m.encoder.label, m.encoder.path, m.encoder)
            yield Job("sample_features", m.file, m.run, m.encoder)
            yield Job("reference_features", m.reference, data, m.encoder)
            yield Job("reference", m.reference, data)
    if m.kind == "restoration":
        yield Job("prepare", m.run.needs["test"].path, m.run.needs["test"])
        yield Job("restore", m.run.path, m.run)
    yield Job(LAST_RULES.get(m.kind, "probe"), m.file, m.run)


def distinct(measurements: "list[Measurement]", shown: set[str]) -> dict[tuple[str, str], Job]:
    """The jobs behind measurements, each once, by their keys.

    Args:
        measurements: some or all of a plan.
        shown: paths of the sample sets of which the report needs an excerpt.
    """
    excerpts = (Job("excerpt", m.run.path, m.run) for m in measurements if m.run.path in shown)
    return {job.key: job for job in (*(job for m in measurements for job in _jobs_behind(m)), *excerpts)}


def jobs(plan: "Plan") -> dict[str, int]:
    """Number of jobs by rule, in the order of the workflow, if there are no results yet."""
    counts = Counter(job.rule for job in distinct(plan.measurements, plan.shown()).values())
    own = [encoder.label for encoder in plan.encoders.values() if not encoder.needs]
    place = RULES.index("encoder")
    rules = [*RULES[:place], *own, *RULES[place:]]
    report = {"rows": 1, "tables": 1, "figure": len(figure_names(plan.inventory())), "page": 1, "all": 1}
    return {rule: counts[rule] for rule in rules if counts[rule]} | report
