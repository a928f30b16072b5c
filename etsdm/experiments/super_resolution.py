"""super-resolution: a network that is given a low-resolution image, judged on images it has not seen."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from etsdm.diffusion.methods import Methods
from etsdm.experiments.experiment import Cell, Common, Experiment
from etsdm.experiments.measures import Measure, Restorations
from etsdm.solvers import Solver, Solvers


class SuperResolution(Experiment):
    """A network that is given a low-resolution image, judged on images it has not seen."""

    name: ClassVar[str] = "super-resolution"
    order: ClassVar[int] = 90

    train: str
    """Name from `datasets` of the images to train on."""
    test: str
    """Name from `datasets` of the images to restore."""
    factor: int = Field(ge=2, le=1024)
    """How many times smaller the low-resolution images are."""
    methods: Methods
    """Methods: a name alone takes that method's defaults."""
    solvers: Solvers
    """Solvers, each with its budgets."""

    def cells(self, common: Common) -> Iterator[Cell]:
        dataset, test = common.dataset(self.train), common.dataset(self.test)
        if (dataset.resolution, dataset.channels) != (test.resolution, test.channels):
            raise ValueError(f"{self.train} and {self.test} differ in size or channels; they must be alike")
        if dataset.resolution % self.factor:
            raise ValueError(f"factor = {self.factor} does not divide the {dataset.resolution} px of {self.train}")
        task = {"name": "super-resolution", "factor": self.factor}
        for method in self.methods:
            yield Cell(self.train, dataset, common.diffusion, method, task)

    def measures(self) -> list[Measure]:
        return [Restorations(self.test, self.solvers)]

    def used_solvers(self) -> Sequence[Solver]:
        return self.solvers
