"""What a benchmark costs before anything runs: device-hours, bytes and files by experiment.

Counted are training, sampling, restoring, probing and the features of encoders that are `timed`. Left out, as seconds
to minutes a job: its start, the training of encoders, distances, theory and the report. A run that several experiments
share is counted once.
"""

import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from etsdm.cost.disk import bytes_of, count_files, count_notes, state_bytes
from etsdm.cost.jobs import Job, distinct
from etsdm.cost.rates import Rates, Shape, shape_of
from etsdm.data import sources
from etsdm.errors import UserError
from etsdm.probes import PROBES

if TYPE_CHECKING:
    from etsdm.plan.plan import Plan
    from etsdm.plan.runs import Measurement, Run


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


class Prices:
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
        """On disk when the job is done."""
        return bytes_of(job, self.count, lambda one: self.parameters[shape_of(one.run)], self.plan.config.keep)

    @property
    def largest(self) -> int:
        """Parameters of the largest network; 0 if none is trained."""
        return max(self.parameters.values(), default=0)

    @property
    def states(self) -> float:
        """Bytes of the saved states of the largest network while it is trained."""
        return state_bytes(self.plan.config.training, self.largest)


# ---------------------------------------------------------------- the estimate


def estimate(plan: "Plan", rates: Rates | None) -> list[Row]:
    """The cost of each experiment; their sum is that of the benchmark. Imports torch, to count parameters.

    An experiment that only probes networks comes after those that draw images from them.

    Args:
        plan: the benchmark's plan; its data need not be there.
        rates: of the device; None: seconds are 0.
    """
    return rows_of(Prices(plan, rates))


def rows_of(prices: Prices) -> list[Row]:
    """The cost of each experiment at these prices."""
    counted: dict[tuple[str, str], str] = {}
    shown = prices.plan.shown()
    rows = []
    for experiment, measurements in _by_experiment(prices.plan).items():
        needed = distinct(measurements, shown)
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
    prices = Prices(plan, None)
    rows, notes = rows_of(prices), count_notes(distinct(plan.measurements, plan.shown()).values())
    return Footprint(sum(row.bytes for row in rows) + prices.states, sum(row.files for row in rows) + notes)
