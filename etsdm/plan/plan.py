"""The plan: the one place that turns a configuration into runs, their paths and their inputs.

Each run is a folder under `results/`, in which its job writes a `spec.json` that says what it is. The folder's name
ends in a digest of the resolved specification, so equal specifications share a folder whatever configuration asked for
them. Nothing is read back out of a path: rules look runs up here. A plan writes nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etsdm.data import prepared
from etsdm.data.registered import how_to_get
from etsdm.data.sources import Dataset, check_overview, inspect_source
from etsdm.errors import UserError
from etsdm.experiments.experiment import Cell, Experiment
from etsdm.experiments.measures import Distances, Exact, Measure, Probed, Restorations
from etsdm.plan.benchmark import Benchmark
from etsdm.plan.reading import load_config, parse_config
from etsdm.plan.runs import Measurement, Run, Spec, identity, images_of, through_json
from etsdm.report.contents import shows_samples
from etsdm.solvers import Solvers
from etsdm.training.snapshots import last, requested

if TYPE_CHECKING:
    from etsdm.data.originals import Overview
    from etsdm.metrics.encoders import Encoder


class Plan:
    """All runs of a benchmark, each once, by path.

    It does not look at the data: `check_files` does, and keeps what it finds in `overviews`.
    """

    def __init__(self, config: Benchmark) -> None:
        self.config = config
        self.data: dict[str, Run] = {}
        self.encoders: dict[str, Run] = {}
        self.models: dict[str, Run] = {}
        self.snapshots: dict[str, Run] = {}
        self.samples: dict[str, Run] = {}
        self.restorations: dict[str, Run] = {}
        self.probes: dict[str, Run] = {}
        self.theories: dict[str, Run] = {}
        self._measurements: dict[tuple[str, str], Measurement] = {}
        self.overviews: dict[str, Overview] = {}
        for experiment, blocks in config.experiments.by_name().items():
            for block in blocks:
                self._add(experiment, block)

    def check_files(self, file: str, results: Path) -> None:
        """Look for the data sources and weights files that the configuration names.

        A source may be gone where its images are prepared.

        Args:
            file: name of the configuration, for messages.
            results: root of the results.

        Raises:
            UserError: one is not there, or holds too little.
        """
        try:
            self._check_files(results)
        except UserError as error:
            raise UserError(f"{file}: {error}") from None

    def _check_files(self, results: Path) -> None:
        evaluation = self.config.evaluation
        for name in self.config.datasets:
            self.overviews[name] = self.find(name, results)
        for encoder in evaluation.encoders:
            if missing := encoder.missing():
                raise UserError(f"evaluation.encoders: {missing}")
        if initial := self.config.training.initial:
            from etsdm.models.trained import initial_network  # slow to import, and seldom needed

            initial_network(initial, *(run.model for run in self.models.values()))

    def find(self, name: str, results: Path) -> "Overview":
        """Look for the source of one data set; see `check_files`.

        Raises:
            UserError: it is not there, or holds too little; the message says how to get it, where that is known.
        """
        evaluation, dataset = self.config.evaluation, self.config.datasets[name]
        is_scored = any(m.encoder and m.model and m.model.needs["data"].spec["name"] == name for m in self.measurements)
        of_labels = next((encoder.name for encoder in evaluation.encoders if encoder.needs_labels), None)
        at_least, needing_labels = (evaluation.minimum_images(), of_labels) if is_scored else (1, None)
        spec = dataset.model_dump()
        specs = {results / run.path: run.spec for run in self.data.values() if run.spec["name"] == name}
        try:
            overview = prepared.overview(specs) or inspect_source(name, spec)
            return check_overview(name, spec, overview, at_least, needing_labels)
        except UserError as error:
            raise UserError(f"{error}{how_to_get(dataset) if prepared.is_gone(spec) else ''}") from error

    def _add(self, experiment: str, grid: Experiment) -> None:
        for measure in grid.alone():
            self._measure(experiment, measure, None)
        for cell in grid.cells(self.config.common):
            for seed in self.config.seeds:
                model = self._model(cell, seed)
                for network in self._snapshots(model) if grid.of_snapshots else [model]:
                    for measure in grid.measures():
                        self._measure(experiment, measure, network)

    @property
    def measurements(self) -> list[Measurement]:
        """Every measurement, once an experiment."""
        return list(self._measurements.values())

    def _ask(self, measurement: Measurement) -> None:
        self._measurements[measurement.experiment, measurement.file] = measurement

    def _measure(self, experiment: str, measure: Measure, model: Run | None) -> None:
        match measure:
            case Exact():
                self._add_theory(experiment, measure)
            case Distances() if model:
                self._add_samples(experiment, measure.solvers, model)
            case Restorations() if model:
                self._add_restorations(experiment, measure, model)
            case Probed() if model:
                self._add_probe(experiment, measure, model)

    def _add_samples(self, experiment: str, solvers: Solvers, model: Run) -> None:
        for slug, spec in _solver_runs(
            solvers,
            {
                "samples": self.config.evaluation.samples,
                "precision": self.config.evaluation.precision,
                "seed": model.spec["seed"],
            },
        ):
            path = f"samples/{model.path.removeprefix('models/')}/{slug}"
            sample = self.samples.setdefault(path, Run(path, spec, {"model": model}))
            for encoder in self._encoders(model.needs["data"]):
                file = f"{path}/{encoder.label}/scores.json"
                self._ask(Measurement(experiment, "distance", file, sample, model, encoder))

    def _add_restorations(self, experiment: str, block: Restorations, model: Run) -> None:
        test = self._dataset(block.test, self.config.datasets[block.test])
        for slug, spec in _solver_runs(block.solvers, {"test": images_of(test.spec), "seed": model.spec["seed"]}):
            path = f"restorations/{model.path.removeprefix('models/')}/{slug}"
            run = self.restorations.setdefault(path, Run(path, spec, {"model": model, "test": test}))
            self._ask(Measurement(experiment, "restoration", f"{path}/scores.json", run, model))

    def _add_probe(self, experiment: str, block: Probed, model: Run) -> None:
        spec = through_json({"probe": block.probe} | block.settings)
        path = f"probes/{model.path.removeprefix('models/')}/{block.probe}-{identity(spec)}"
        run = self.probes.setdefault(path, Run(path, spec, {"model": model}))
        self._ask(Measurement(experiment, block.probe, f"{path}/result.json", run, model))

    def _add_theory(self, experiment: str, block: Exact) -> None:
        spec = through_json(block.settings | {"timesteps": self.config.diffusion.timesteps})
        path = f"theory/{identity(spec)}"
        run = self.theories.setdefault(path, Run(path, spec))
        self._ask(Measurement(experiment, "theory", f"{path}/result.json", run))

    def _dataset(self, name: str, dataset: Dataset) -> Run:
        spec = {"name": name, **dataset.model_dump()}
        path = f"data/{name}-{dataset.resolution}px-{identity(images_of(spec))}"
        return self.data.setdefault(path, Run(path, spec))

    def _encoders(self, data: Run) -> list[Run]:
        runs = [_encoder_run(encoder, data) for encoder in self.config.evaluation.encoders]
        return [self.encoders.setdefault(run.path, run) for run in runs]

    def _model(self, cell: Cell, seed: int) -> Run:
        data = self._dataset(cell.name, cell.dataset)
        spec = through_json(
            {
                "task": cell.task,
                "dataset": images_of(data.spec),
                "diffusion": cell.diffusion.model_dump(exclude_none=True),
                "method": cell.method.model_dump(),
                "network": cell.method.network(self.config.network).model_dump(),
                "training": self.config.training.model_dump(exclude_none=True),
            }
        )
        seed += cell.method.seed_shift
        path = f"models/{cell.name}-{cell.dataset.resolution}px/{_slug(cell)}-{identity(spec)}/seed{seed}"
        return self.models.setdefault(path, Run(path, spec | {"seed": seed}, {"data": data}))

    def _snapshots(self, model: Run) -> Iterator[Run]:
        """Every snapshot of a training as a model of its own; the last one is the model that it leaves anyway."""
        for snapshot in requested(model.model.training):
            if snapshot == last(model.model.training):
                yield model
                continue
            path = f"{model.path}/snapshots/{snapshot.label}"
            spec, needs = model.spec | {"snapshot": snapshot._asdict()}, model.needs | {"training": model}
            yield self.snapshots.setdefault(path, Run(path, spec, needs))

    @property
    def networks(self) -> dict[str, Run]:
        """The models and the snapshots, by path."""
        return self.models | self.snapshots

    def runs(self) -> dict[str, dict[str, Run]]:
        """Runs by what they make, in the order of the workflow."""
        return {
            "data": self.data,
            "encoders": self.encoders,
            "models": self.models,
            "snapshots": self.snapshots,
            "samples": self.samples,
            "restorations": self.restorations,
            "probes": self.probes,
            "theory": self.theories,
        }

    def measured(self, kind: str) -> dict[str, Measurement]:
        """The measurements of one kind, by file."""
        return {m.file: m for m in self.measurements if m.kind == kind}

    def shown(self) -> set[str]:
        """Folders of the sample sets of which only the images in figures are kept; see `keep`.

        They are of the first seed, and each solver's with the most evaluations.
        """
        if self.config.keep.samples == "all":
            return set()
        most: dict[str, Run] = {}
        for m in self.measurements:
            if m.encoder and m.model and shows_samples(m.experiment):
                network, solver = m.model.model, dict(m.run.spec["solver"])
                if network.seed - network.method.seed_shift != self.config.seeds[0]:
                    continue
                nfe, cell = solver.pop("nfe"), m.model.path.rsplit("/", 1)[0]
                kind = f"{cell} {json.dumps(solver, sort_keys=True)}"
                if kind not in most or most[kind].spec["solver"]["nfe"] < nfe:
                    most[kind] = m.run
        return {run.path for run in most.values()}

    @property
    def references(self) -> dict[str, Run]:
        """The encoder of each folder of reference features."""
        return {m.reference: m.encoder for m in self.measurements if m.encoder}

    def settings(self) -> Spec:
        """The resolved configuration, as plain data from which `make_plan` gives this plan again."""
        return self.config.model_dump(mode="json", by_alias=True, exclude={"cost", "keep", "same_torch"})

    @property
    def report(self) -> str:
        """The report's folder."""
        return f"reports/{self.config.name}"

    def inventory(self) -> Spec:
        """The plan as plain data, all the report knows of it: resolved configuration, specifications, measurements."""
        return {
            "name": self.config.name,
            "config": self.settings(),
            **{name: {run.path: run.spec for run in runs.values()} for name, runs in self.runs().items()},
            "measurements": [
                {
                    "experiment": m.experiment,
                    "kind": m.kind,
                    "file": m.file,
                    "run": m.run.path,
                    "model": m.model and m.model.path,
                    "training": m.training and m.training.path,
                    "data": m.model and m.model.needs["data"].path,
                    "encoder": m.encoder and m.encoder.path,
                }
                for m in self.measurements
            ],
        }


def _encoder_run(encoder: "Encoder", data: Run) -> Run:
    """One that is trained is a data set's own; any other serves all, and only what changes features tells it apart."""
    spec = encoder.model_dump()
    if encoder.needs_labels:
        whole = {"dataset": images_of(data.spec), encoder.name: spec}
        return Run(f"encoders/{data.spec['name']}/{encoder.name}-{identity(whole)}", spec, {"data": data})
    settings = {key: value for key, value in spec.items() if key not in {"name", *encoder.where}}
    return Run(f"encoders/{encoder.name}" + (f"-{identity(settings)}" if settings else ""), spec)


def _slug(cell: Cell) -> str:
    """Readable part of a model's path: what it is, where that is not the common case."""
    usual = {"generation", "discrete", "eps"}
    parts = (
        cell.task["name"],
        cell.method.slug,
        cell.diffusion.schedule,
        cell.diffusion.time,
        cell.diffusion.prediction,
        *(part.slug for part in (cell.diffusion.training_times, cell.diffusion.loss_weight) if part),
    )
    return "-".join(part for part in parts if part not in usual)


def _solver_runs(solvers: Solvers, settings: Spec) -> Iterator[tuple[str, Spec]]:
    """Folder name and specification for each solver at each of its budgets."""
    for solver in solvers:
        for nfe in solver.nfe:
            spec = through_json({"solver": solver.model_dump(exclude_none=True) | {"nfe": nfe}} | settings)
            yield f"{solver.name}-nfe{nfe}-{solver.grid}-{identity(spec)}".replace("+", "p"), spec


RESULTS = Path("results")
"""Where results are, relative to where the workflow is started."""


def make_plan(values: Any, file: str, look: bool = True, results: Path = RESULTS) -> Plan:
    """The plan of a configuration given as plain values.

    Args:
        values: what the YAML file holds.
        file: its name, for messages.
        look: whether to look for the data sources and weights files, too.
        results: root of the results, where a source that is gone may have been prepared.

    Raises:
        UserError: the configuration is not valid, or what it names is not there; each line begins with the file.
    """
    return _plan(parse_config(values, file), file, look, results)


def load_plan(path: Path, look: bool = True, results: Path = RESULTS) -> Plan:
    """The plan of the configuration at `path`; see `make_plan`."""
    return _plan(load_config(path), str(path), look, results)


def _plan(config: Benchmark, file: str, look: bool, results: Path) -> Plan:
    plan = Plan(config)
    if look:
        plan.check_files(file, results)
    return plan
