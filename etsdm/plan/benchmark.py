"""The typed configuration of a benchmark: every key, its type, its bounds and what it means.

`config/schema.json` and the key reference in `config/README.md` are generated from these models.
"""

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from etsdm.config.cost import Cost
from etsdm.config.keep import Keep
from etsdm.config.network import Network
from etsdm.config.plugins import load
from etsdm.config.strict import Name, Strict, allowed_instead, distinct
from etsdm.config.training import Training
from etsdm.data.registered import resolved
from etsdm.data.sources import Dataset
from etsdm.diffusion.settings import Diffusion
from etsdm.experiments import experiments_model
from etsdm.experiments.experiment import Common, Experiment
from etsdm.metrics.evaluation import Evaluation
from etsdm.plan.grid import refusal


def _resolved(base: str | None) -> None:
    if base is not None:
        raise ValueError("a file is needed, for a base is relative to the file that names it")


class Benchmark(Strict):
    """One benchmark: what is compared, on which data, how it is trained and how it is measured."""

    base: Annotated[str | None, AfterValidator(_resolved)] = Field(None, exclude=True)
    """Another configuration, relative to this file. Its values hold where this file gives none: mappings are merged key
    by key, lists are replaced. Its name is not taken over."""
    name: Name
    """Name of the report folder."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], AfterValidator(distinct)] = Field(
        [0, 1, 2], min_length=1
    )
    """Seeds; each trains a network of its own, and samples from noise of its own."""
    plugins: Annotated[list[str], AfterValidator(distinct), AfterValidator(load)] = Field([])
    """Python files of your own with solvers, methods, schedules, sources or metrics, relative to where the workflow is
    started. To read this configuration runs their code."""
    datasets: dict[Name, Annotated[Dataset, BeforeValidator(resolved)]] = Field(min_length=1)
    """Data sets by name: the name of one in etsdm/data/datasets.yaml, or settings."""
    diffusion: Diffusion = Diffusion(timesteps=1000, tau_min=1e-3)
    """The forward process."""
    network: Network
    """The network."""
    training: Training
    """The training."""
    evaluation: Evaluation
    """The metrics."""
    experiments: experiments_model()  # type: ignore[valid-type]
    """The experiments."""
    same_torch: bool = False
    """Whether all results must be made by one version of PyTorch: after another is installed, they are made again.
    Without it a new version reruns nothing, and the report says where versions are mixed."""
    keep: Keep = Keep()
    """What stays on disk when it has been used; it changes no result."""
    cost: Cost | None = None
    """How fast the device is that will run it, for the estimate of `etsdm plan`. It changes no result."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sizes = {(name, dataset.resolution) for name, dataset in self.datasets.items()}
        for experiment, grids in self.experiments.by_name().items():
            try:
                for grid in grids:
                    sizes |= self._check_grid(grid)
            except ValueError as error:
                raise ValueError(f"experiments.{experiment}: {error}") from None
        for name in self.cost.images if self.cost else ():
            if name not in self.datasets:
                raise ValueError(f"cost.images: no data set {name!r}; {allowed_instead(name, list(self.datasets))}")
        for name, resolution in sorted(sizes):
            self._check_network(name, resolution)
        return self

    @property
    def common(self) -> Common:
        """What its experiments share."""
        return Common(self.datasets, self.diffusion, self.training)

    def _check_grid(self, grid: Experiment) -> set[tuple[str, int]]:
        """Names and sizes of the data that a grid trains on; ValueError if it cannot be run."""
        sizes = set()
        for cell in grid.cells(self.common):
            sizes.add((cell.name, cell.dataset.resolution))
            reasons = (refusal(cell, grid.used_solvers()), cell.method.refusal_of_seeds(self.seeds))
            if reason := next(filter(None, reasons), None):
                raise ValueError(reason)
            cell.method.network(self.network)
            grid.check_cell(cell, cell.schedule)
        grid.check(self.common)
        return sizes

    def _check_network(self, name: str, resolution: int) -> None:
        halvings = len(self.network.multipliers) - 1
        if resolution % 2**halvings:
            raise ValueError(
                f"datasets.{name}: {resolution} px cannot be halved {halvings} times for the {halvings + 1} levels of "
                "network.multipliers"
            )
        levels = [resolution // 2**level for level in range(halvings + 1)]
        if not set(self.network.attention) <= set(levels):
            raise ValueError(
                f"network.attention: {self.network.attention} are not all resolutions of the network on {name} at "
                f"{resolution} px; allowed: {', '.join(map(str, levels))}"
            )
