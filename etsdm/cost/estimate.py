"""What a benchmark costs before anything runs: jobs by rule, device-hours, bytes and files by experiment.

Counted are training, sampling, restoring, probing and the features of encoders that are `timed`. Left out, as seconds
to minutes a job: its start, the training of encoders, distances, theory and the report. A run that several experiments
share is counted once.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tabulate import tabulate

from etsdm.cost.disk import count_files, count_notes
from etsdm.cost.jobs import Job
from etsdm.cost.rates import Rates, Shape, shape_of
from etsdm.data import sources
from etsdm.errors import UserError
from etsdm.metrics.encoders import ENCODERS
from etsdm.probes import PROBES
from etsdm.report.contents import figure_names
from etsdm.training.snapshots import half_lives, intermediate

if TYPE_CHECKING:
    from etsdm.plan.plan import Plan
    from etsdm.plan.runs import Measurement, Run

Spec = dict[str, Any]

BYTES_A_VALUE = 0.65
"""A pixel and channel in the PNG of a photograph: measured 0.79 at 32 px, 0.59 at 256 px, and 1.0 for noise."""
BYTES_AN_IMAGE = 200
"""Headers of a PNG and of its entry in an archive: measured 180 on the 8 px digits, pixels aside."""
BYTES_OF_STATE = 3 * 4
"""A float32 of a parameter while it is trained, in two states and one being written."""
MOMENTS = 2
"""Of each parameter, in the optimizer."""
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


@dataclass(frozen=True)
class Row:
    """One experiment's line of the estimate. What an experiment above needs too is counted there.

    Attributes:
        experiment: its name.
        trainings: all trained networks that it needs.
        shared: how many of these are counted above, by the experiment that counts them.
        sample_sets: sets of generated or restored images.
        probes: networks probed.
        seconds: of the device.
        alone: seconds of the device if this were the only experiment.
        bytes: on disk.
        files: in results/.
    """

    experiment: str
    trainings: int
    shared: dict[str, int]
    sample_sets: int
    probes: int
    seconds: float
    alone: float
    bytes: float
    files: int

    @property
    def new_trainings(self) -> int:
        """Those that no experiment above needs."""
        return self.trainings - sum(self.shared.values())


# ---------------------------------------------------------------- jobs


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


def _distinct(measurements: "list[Measurement]", shown: set[str]) -> dict[tuple[str, str], Job]:
    excerpts = (Job("excerpt", m.run.path, m.run) for m in measurements if m.run.path in shown)
    return {job.key: job for job in (*(job for m in measurements for job in _jobs_behind(m)), *excerpts)}


def jobs(plan: "Plan") -> dict[str, int]:
    """Number of jobs by rule, in the order of the workflow, if there are no results yet."""
    counts = Counter(job.rule for job in _distinct(plan.measurements, plan.shown()).values())
    own = [encoder.label for encoder in plan.encoders.values() if not encoder.needs]
    place = RULES.index("encoder")
    rules = [*RULES[:place], *own, *RULES[place:]]
    report = {"rows": 1, "tables": 1, "figure": len(figure_names(plan.inventory())), "page": 1, "all": 1}
    return {rule: counts[rule] for rule in rules if counts[rule]} | report


# ---------------------------------------------------------------- what a job costs


def known_images(plan: "Plan") -> dict[str, int]:
    """Number of images of each data set by name, where the configuration or the source tells it."""
    counts = dict(plan.config.cost.images) if plan.config.cost else {}
    for run in plan.data.values():
        name = run.spec["name"]
        if name not in counts:
            with suppress(UserError):
                counts[name] = sources.inspect_source(name, run.spec).images
    return counts


def count_parameters(model: "Run") -> int:
    """Parameters of a model's network, which is laid out without memory. Imports torch."""
    import torch

    from etsdm.models.trained import build_network

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_network(model.model).parameters())


class _Prices:
    """What each job of a plan costs."""

    def __init__(self, plan: "Plan", rates: Rates | None) -> None:
        self.plan = plan
        self.rates = rates
        self.images = known_images(plan)

    @cached_property
    def parameters(self) -> dict[Shape, int]:
        """Of each network."""
        models = {shape_of(model): model for model in self.plan.models.values()}
        return {shape: count_parameters(model) for shape, model in models.items()}

    def count(self, job: Job) -> int:
        """Images that a job makes or reads; 0 where their number is not known."""
        if "samples" in job.run.spec:
            return int(job.run.spec["samples"])
        return self.images.get(job.run.needs.get("test", job.run).spec["name"], 0)

    def seconds(self, job: Job) -> float:
        """Of the device; 0 without rates."""
        if not self.rates:
            return 0.0
        spec = job.run.spec
        if job.rule == "train":
            model, batch = job.run.model, job.run.model.training.batch
            seen = math.ceil(model.training.images / batch) * batch
            factor = model.method.training_factor(model.diffusion.timesteps)
            return seen * factor / self.rates.speeds[shape_of(job.run)].train
        if job.encoder:
            return self.count(job) / self.rates.features.get(job.encoder.spec["name"], math.inf)
        if job.rule == "probe":
            evaluations = spec["images"] * PROBES.read(spec).evaluations()
        elif job.rule in ("sample", "restore"):
            evaluations = self.count(job) * spec["solver"]["nfe"]
        else:
            return 0.0
        return evaluations / self.rates.speeds[shape_of(job.run.needs["model"])].sample

    def bytes(self, job: Job) -> float:
        """On disk when the job is done: images, weights and features; what is small is left out."""
        if job.rule == "train":
            return 4.0 * self.parameters[shape_of(job.run)] * (1 + len(intermediate(job.run.model.training)))
        if job.encoder:
            return 4.0 * ENCODERS[job.encoder.spec["name"]].length * self.count(job)
        if job.rule == "prepare":  # and decoded, for training
            decoded = _values(job.run.spec) if self.plan.config.keep.maps else 0
            return self.count(job) * (_png_bytes(job.run.spec) + decoded)
        if job.rule == "sample" and self.plan.config.keep.samples == "all":
            return self.count(job) * _png_bytes(job.run.needs["model"].spec["dataset"])
        if job.rule == "restore":  # and the low-resolution images beside the restored ones
            return 2 * self.count(job) * _png_bytes(job.run.needs["test"].spec)
        return 0.0


def _png_bytes(dataset: Spec) -> float:
    return BYTES_A_VALUE * _values(dataset) + BYTES_AN_IMAGE


def _values(dataset: Spec) -> int:
    """Pixels times channels of an image."""
    return int(dataset["channels"] * dataset["resolution"] ** 2)


# ---------------------------------------------------------------- the estimate


def estimate(plan: "Plan", rates: Rates | None) -> list[Row]:
    """The cost of each experiment; their sum is that of the benchmark. Imports torch, to count parameters.

    An experiment that only probes networks comes after those that draw images from them.

    Args:
        plan: the benchmark's plan; its data need not be there.
        rates: of the device; None: seconds are 0.
    """
    return _rows(_Prices(plan, rates))


def _rows(prices: _Prices) -> list[Row]:
    counted: dict[tuple[str, str], str] = {}
    shown = prices.plan.shown()
    rows = []
    for experiment, measurements in _by_experiment(prices.plan).items():
        needed = _distinct(measurements, shown)
        new = [job for key, job in needed.items() if key not in counted]
        rules = Counter(job.rule for job in new)
        rows.append(
            Row(
                experiment=experiment,
                trainings=sum(job.rule == "train" for job in needed.values()),
                shared=dict(Counter(counted[key] for key in needed if key[0] == "train" and key in counted)),
                sample_sets=rules["sample"] + rules["restore"],
                probes=rules["probe"],
                seconds=sum(map(prices.seconds, new)),
                alone=sum(map(prices.seconds, needed.values())),
                bytes=sum(map(prices.bytes, new)),
                files=count_files(new, prices.plan.config.keep),
            )
        )
        counted |= {job.key: experiment for job in new}
    return rows


def _by_experiment(plan: "Plan") -> "dict[str, list[Measurement]]":
    groups: dict[str, list[Measurement]] = {}
    for m in plan.measurements:
        groups.setdefault(m.experiment, []).append(m)
    return dict(sorted(groups.items(), key=lambda group: not {m.kind for m in group[1]} & {"distance", "restoration"}))


def shared_trainings(plan: "Plan") -> int:
    """Trainings that more than one experiment needs."""
    users: dict[str, set[str]] = {}
    for m in plan.measurements:
        if m.training:
            users.setdefault(m.training.path, set()).add(m.experiment)
    return sum(len(experiments) > 1 for experiments in users.values())


class Footprint(NamedTuple):
    """What a benchmark takes of a file system, at most, if there are no results yet."""

    bytes: float
    """Of results, and of the states of one training."""
    files: int
    """In results/ and in .snakemake/."""


def footprint(plan: "Plan") -> Footprint:
    """The bytes and files of a benchmark; data sets that are not there are left out. Imports torch."""
    prices = _Prices(plan, None)
    rows, notes = _rows(prices), count_notes(_distinct(plan.measurements, plan.shown()).values())
    return Footprint(sum(row.bytes for row in rows) + _state_bytes(prices), sum(row.files for row in rows) + notes)


def _state_bytes(prices: _Prices) -> float:
    """Of the saved states of the largest network while it is trained."""
    tensors = 1 + MOMENTS + len(half_lives(prices.plan.config.training))
    return BYTES_OF_STATE * tensors * max(prices.parameters.values(), default=0)


def describe(plan: "Plan", rates: Rates | None) -> str:
    """What a benchmark asks for and costs, for people: jobs by rule, then the rest by experiment.

    Args:
        plan: the benchmark's plan; its data need not be there.
        rates: of the device; None: no hours.
    """
    counts, prices = jobs(plan), _Prices(plan, rates)
    by_rule = tabulate([*counts.items(), ("total", sum(counts.values()))], ["rule", "jobs"])
    trainings = f"{len(plan.models):,} trainings, {shared_trainings(plan):,} of them shared between experiments."
    return "\n\n".join([by_rule, trainings, _table(_rows(prices), rates), *_notes(prices)])


def _table(rows: list[Row], rates: Rates | None) -> str:
    table = [
        {
            "experiment": row.experiment,
            "trainings": row.trainings,
            "new": row.new_trainings,
            "sample sets": row.sample_sets,
            "probes": row.probes,
            "hours": _hours(row.seconds),
            "alone": _hours(row.alone),
            "disk": _size(row.bytes),
            "files": f"{row.files:,}",
            "of these trainings": ", ".join(f"{n} shared with {name}" for name, n in row.shared.items()),
        }
        for row in rows
    ]
    new = sum(row.new_trainings for row in rows)
    table.append(
        {
            "experiment": "total",
            "trainings": new,
            "new": new,
            "sample sets": sum(row.sample_sets for row in rows),
            "probes": sum(row.probes for row in rows),
            "hours": _hours(sum(row.seconds for row in rows)),
            "disk": _size(sum(row.bytes for row in rows)),
            "files": f"{sum(row.files for row in rows):,}",
        }
    )
    hidden = () if rates else ("hours", "alone")
    shown = [{key: value for key, value in line.items() if key not in hidden} for line in table]
    right = ("left", *["right"] * (len(shown[0]) - 2), "left")
    return tabulate(shown, "keys", colalign=right, disable_numparse=True)


def _notes(prices: _Prices) -> Iterator[str]:
    yield "What several experiments share is counted in the first of them in this table."
    notes = count_notes(_distinct(prices.plan.measurements, prices.plan.shown()).values())
    yield f"Files are those in results/; Snakemake keeps about {notes:,} small ones more, in .snakemake/."
    if prices.rates:
        yield (
            f"Hours of one device: {prices.rates.device}. `alone`: if it were the only experiment. Not counted: the "
            "start of jobs, the training of encoders, distances, theory and the report."
        )
    else:
        yield "No hours: the configuration has no block `cost`; --measure takes this machine's rates."
    unknown = sorted({run.spec["name"] for run in prices.plan.data.values()} - set(prices.images))
    if unknown:
        yield (
            f"Number of images unknown, so their archives, reference features and restorations are left out: "
            f"{', '.join(unknown)}."
        )
    if prices.parameters:
        largest = max(prices.parameters.values())
        yield (
            f"The largest network has {largest:,} parameters; while one is trained, its saved states take up to "
            f"{_size(_state_bytes(prices))} more."
        )


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.2f} TB"
