"""The plan: the one place that turns a configuration into runs, their paths and their inputs.

Each run is a folder under `results/` with a `spec.json` that says what it is. The folder's name ends in a digest of
the resolved specification, so equal specifications share a folder whatever configuration asked for them. Nothing is
read back out of a path: rules look runs up here.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etsdm.benchmark.config import Benchmark, Dataset, Inception, Lipschitz, Method, Sampled, load_config, parse_config
from etsdm.data.sources import check_source
from etsdm.errors import UserError
from etsdm.files import read_json, write_json

Spec = dict[str, Any]


def identity(spec: Spec) -> str:
    """Eight hexadecimal digits of a specification."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Run:
    """One run of one stage: its folder (relative to the results), its specification and the runs it needs."""

    path: str
    spec: Spec
    needs: dict[str, "Run"] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[1]


@dataclass(frozen=True)
class Measurement:
    """One cell of the benchmark: a file with measured values, and what it is a measurement of."""

    experiment: str
    model: Run
    file: str
    sample: Run | None = None
    encoder: Run | None = None

    @property
    def reference(self) -> str:
        """Folder of the data set's features by the same encoder."""
        assert self.encoder
        return f"{self.model.needs['data'].path}/{self.encoder.label}"


class Plan:
    """All runs of a benchmark, each once, by path.

    Raises:
        UserError: a data source or a weights file is not there, or holds too little.
    """

    def __init__(self, config: Benchmark) -> None:
        self.config = config
        self.data: dict[str, Run] = {}
        self.encoders: dict[str, Run] = {}
        self.models: dict[str, Run] = {}
        self.samples: dict[str, Run] = {}
        self.probes: dict[str, Run] = {}
        self.measurements: list[Measurement] = []
        evaluation = config.evaluation
        labelled = any(encoder.name == "classifier" for encoder in evaluation.encoders)
        for name, dataset in config.datasets.items():
            check_source(name, dataset.model_dump(), evaluation.minimum_images(), labelled)
        for encoder in evaluation.encoders:
            if isinstance(encoder, Inception) and encoder.weights and not Path(encoder.weights).is_file():
                raise UserError(
                    f"evaluation.encoders: no weights file {encoder.weights!r}; give an existing one or null"
                )
        for experiment, block in config.experiments.all().items():
            self._add_experiment(experiment, block)

    def _add_experiment(self, experiment: str, block: Sampled | Lipschitz) -> None:
        for dataset in block.datasets:
            data = self._dataset(dataset, self.config.datasets[dataset])
            for schedule in block.schedules or [self.config.diffusion.schedule]:
                for method in block.methods:
                    for seed in self.config.seeds:
                        model = self._model(data, schedule, method, seed)
                        if isinstance(block, Sampled):
                            self._add_sampled(experiment, block, model)
                        else:
                            self._add_lipschitz(experiment, block, model)

    def _add_sampled(self, experiment: str, block: Sampled, model: Run) -> None:
        for solver in block.solvers:
            for nfe in solver.nfe:
                spec = {
                    "solver": solver.model_dump() | {"nfe": nfe},
                    "samples": self.config.evaluation.samples,
                    "seed": model.spec["seed"],
                }
                slug = f"{solver.name}-nfe{nfe}-{solver.grid}-{identity(spec)}".replace("+", "p")
                path = f"samples/{model.path.removeprefix('models/')}/{slug}"
                sample = self.samples.setdefault(path, Run(path, spec, {"model": model}))
                for encoder in self._encoders(model.needs["data"]):
                    file = f"{sample.path}/{encoder.label}/scores.json"
                    self.measurements.append(Measurement(experiment, model, file, sample, encoder))

    def _add_lipschitz(self, experiment: str, block: Lipschitz, model: Run) -> None:
        spec = block.model_dump(exclude={"datasets", "schedules", "methods"})
        path = f"probes/{model.path.removeprefix('models/')}/lipschitz-{identity(spec)}"
        self.probes.setdefault(path, Run(path, spec, {"model": model}))
        self.measurements.append(Measurement(experiment, model, f"{path}/lipschitz.json"))

    def _dataset(self, name: str, dataset: Dataset) -> Run:
        spec = {
            "name": name,
            **dataset.model_dump(),
            "resolution": dataset.resolution,
            "channels": dataset.channels,
        }
        path = f"data/{name}-{identity(spec)}"
        return self.data.setdefault(path, Run(path, spec))

    def _encoders(self, data: Run) -> list[Run]:
        runs = []
        for encoder in self.config.evaluation.encoders:
            if isinstance(encoder, Inception):
                run = Run("encoders/inception", encoder.model_dump())
            else:
                spec = {"dataset": data.spec, "classifier": encoder.model_dump()}
                run = Run(
                    f"encoders/{data.spec['name']}/classifier-{identity(spec)}",
                    encoder.model_dump(),
                    {"data": data},
                )
            runs.append(self.encoders.setdefault(run.path, run))
        return runs

    def _model(self, data: Run, schedule: str, method: Method, seed: int) -> Run:
        spec = {
            "dataset": data.spec,
            "diffusion": self.config.diffusion.model_dump() | {"schedule": schedule},
            "method": method.model_dump(),
            "network": self.config.network.model_dump(),
            "training": self.config.training.model_dump(),
        }
        spec = json.loads(json.dumps(spec))
        path = f"models/{data.spec['name']}/{method.slug}-{schedule}-{identity(spec)}/seed{seed}"
        return self.models.setdefault(path, Run(path, spec | {"seed": seed}, {"data": data}))

    def runs(self) -> dict[str, dict[str, Run]]:
        """Runs by stage."""
        return {
            "prepare": self.data,
            "encoder": self.encoders,
            "train": self.models,
            "sample": self.samples,
            "probe": self.probes,
        }

    @property
    def scored(self) -> dict[str, Measurement]:
        """The measurements that end in a distance, by file."""
        return {m.file: m for m in self.measurements if m.encoder}

    @property
    def references(self) -> dict[str, Run]:
        """The encoder of each folder of reference features."""
        return {m.reference: m.encoder for m in self.measurements if m.encoder}

    def write_specs(self, results: Path) -> None:
        """Write each run's `spec.json` and the report's inventory; equal ones are left alone, time stamps included."""
        specs = {run.path + "/spec.json": run.spec for stage in self.runs().values() for run in stage.values()}
        specs[f"{self.report}/inventory.json"] = self.inventory()
        for path, spec in specs.items():
            file = results / path
            if not file.exists() or read_json(file) != spec:
                write_json(file, spec)

    @property
    def report(self) -> str:
        """The report's folder."""
        return f"reports/{self.config.name}"

    def inventory(self) -> Spec:
        """The plan as plain data, all the report knows of it: resolved configuration, specifications, measurements."""
        return {
            "name": self.config.name,
            "config": self.config.model_dump(mode="json", by_alias=True),
            "data": {run.path: run.spec for run in self.data.values()},
            "encoders": {run.path: run.spec for run in self.encoders.values()},
            "models": {run.path: run.spec for run in self.models.values()},
            "samples": {run.path: run.spec for run in self.samples.values()},
            "probes": {run.path: run.spec for run in self.probes.values()},
            "measurements": [
                {
                    "experiment": m.experiment,
                    "file": m.file,
                    "data": m.model.needs["data"].path,
                    "model": m.model.path,
                    "sample": m.sample and m.sample.path,
                    "encoder": m.encoder and m.encoder.path,
                }
                for m in self.measurements
            ],
        }


def make_plan(values: Any, file: str) -> Plan:
    """The plan of a configuration given as plain values.

    Args:
        values: what the YAML file holds.
        file: its name, for messages.

    Raises:
        UserError: the configuration is not valid, or what it names is not there; each line begins with the file.
    """
    return _plan(parse_config(values, file), file)


def load_plan(path: Path) -> Plan:
    """The plan of the configuration at `path`; see `make_plan`."""
    return _plan(load_config(path), str(path))


def _plan(config: Benchmark, file: str) -> Plan:
    try:
        return Plan(config)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
