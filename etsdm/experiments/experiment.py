"""What experiments have in common: the models that each needs, and what is measured of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, NamedTuple

from etsdm.config.strict import Names, Strict, allowed_instead
from etsdm.config.training import Training
from etsdm.data.sources import Dataset
from etsdm.diffusion.make import make_process
from etsdm.diffusion.methods import Method, Methods
from etsdm.diffusion.schedules import Schedule
from etsdm.diffusion.settings import Diffusion, DistributionsOfTimes, LossWeights, Predictions, Schedules, Times
from etsdm.experiments.measures import Distances, Measure
from etsdm.solvers import Solver, Solvers

GENERATION = {"name": "generation"}


@dataclass(frozen=True)
class Common:
    """What a benchmark's experiments share.

    Attributes:
        datasets: the data sets by name.
        diffusion: the forward process, where an experiment names no other.
        training: how every network is trained.
    """

    datasets: dict[str, Dataset]
    diffusion: Diffusion
    training: Training

    def dataset(self, name: str) -> Dataset:
        """The named data set. Raises ValueError if there is none."""
        if name not in self.datasets:
            raise ValueError(f"no data set {name!r}; {allowed_instead(name, list(self.datasets))}")
        return self.datasets[name]


class Cell(NamedTuple):
    """One model of an experiment, but for its seed."""

    name: str
    """Of the data set."""
    dataset: Dataset
    diffusion: Diffusion
    method: Method
    task: dict[str, Any]

    @property
    def schedule(self) -> Schedule:
        """Its noise levels, as its method changes them."""
        return make_process(self.diffusion, self.method, self.dataset.resolution).schedule


class Experiment(Strict):
    """Settings of an experiment.

    Attributes:
        name: what a configuration calls it.
        order: place among the experiments, in a plan and on the page.
        several: whether it can have several grids.
        of_snapshots: whether it measures every snapshot of a training, not its last weights alone.
        formerly: what configurations called it before, which is refused with its name.
    """

    name: ClassVar[str]
    order: ClassVar[int]
    several: ClassVar[bool] = False
    of_snapshots: ClassVar[bool] = False
    formerly: ClassVar[str | None] = None

    def cells(self, common: Common) -> Iterator[Cell]:
        """The models that it needs, methods varying fastest.

        Raises:
            ValueError: it names a data set that there is not, or a size that it cannot have.
        """
        return iter(())

    def measures(self) -> list[Measure]:
        """What is measured of each model."""
        return []

    def alone(self) -> list[Measure]:
        """What is measured of no model."""
        return []

    def used_solvers(self) -> Sequence[Solver]:
        """The solvers that draw images from its models."""
        return ()

    def check(self, common: Common) -> None:
        """Raise ValueError for what cannot be run, whatever the model."""

    def check_cell(self, cell: Cell, schedule: Schedule) -> None:
        """Raise ValueError for what cannot be measured of a model, whose noise levels are those of `schedule`."""


class Trained(Experiment):
    """An experiment on a grid of data sets and forward processes."""

    datasets: Names
    """Names from `datasets`."""
    schedules: Schedules | None = None
    """Noise schedules; null: the one of `diffusion`."""
    times: Times | None = None
    """Discrete or continuous time; null: that of `diffusion`."""
    predictions: Predictions | None = None
    """What the network predicts; null: as in `diffusion`."""
    training_times: DistributionsOfTimes | None = None
    """Distributions of the training times; null: that of `diffusion`."""
    loss_weights: LossWeights | None = None
    """Weights of the loss; null: that of `diffusion`."""

    def compared(self) -> Sequence[Method]:
        """The methods of the grid."""
        raise NotImplementedError

    def sizes(self, dataset: Dataset, name: str) -> list[Dataset]:
        """The data set at each size that is wanted."""
        return [dataset]

    def cells(self, common: Common) -> Iterator[Cell]:
        usual = common.diffusion
        axes: dict[str, Sequence[Any]] = {
            "schedule": self.schedules or [usual.schedule],
            "time": self.times or [usual.time],
            "prediction": self.predictions or [usual.prediction],
            "training_times": self.training_times or [usual.training_times],
            "loss_weight": self.loss_weights or [usual.loss_weight],
        }
        for name in self.datasets:
            for dataset in self.sizes(common.dataset(name), name):
                for values in product(*axes.values()):
                    diffusion = usual.model_copy(update=dict(zip(axes, values, strict=True)))
                    for method in self.compared():
                        yield Cell(name, dataset, diffusion, method, GENERATION)


class Compared(Trained):
    """A grid of named methods."""

    methods: Methods
    """Methods: a name alone takes that method's defaults."""

    def compared(self) -> Sequence[Method]:
        return self.methods


class Sampled(Compared):
    """A grid of models, sampled by each solver and scored by the distances of `evaluation`."""

    solvers: Solvers
    """Solvers, each with its budgets."""

    def measures(self) -> list[Measure]:
        return [Distances(self.solvers)]

    def used_solvers(self) -> Sequence[Solver]:
        return self.solvers


def check_within(schedule: Schedule, least: float, **times: float) -> None:
    """Raise ValueError for a setting, by its name, that is no time of the schedule from `least` on."""
    for name, t in times.items():
        if not least <= t <= schedule.t_max:
            raise ValueError(
                f"{name}: t = {t} lies outside the times of the {schedule.name} schedule; "
                f"allowed: {least:g} to {schedule.t_max:g}"
            )
