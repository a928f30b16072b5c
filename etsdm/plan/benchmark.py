"""The typed configuration of a benchmark: every key, its type, its bounds and what it means.

`config/schema.json` and the key reference in `config/README.md` are generated from these models.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from etsdm.config.cost import Cost
from etsdm.config.keep import Keep
from etsdm.config.network import Network
from etsdm.config.plugins import load
from etsdm.config.strict import Name, Real, Strict, allowed_instead, distinct, named
from etsdm.config.training import Training
from etsdm.data.registered import resolved
from etsdm.data.settings import Dataset
from etsdm.diffusion.settings import Diffusion
from etsdm.experiments import experiments_model
from etsdm.experiments.experiment import Common, Experiment
from etsdm.metrics.names import FEATURES
from etsdm.plan.grid import refusal

# ---------------------------------------------------------------- evaluation


class Classifier(Strict):
    """A small CNN that the workflow trains on the data set's own labels. Its distances are not FID."""

    name: Literal["classifier"]
    width: int = Field(ge=1, le=4096)
    """Channels of the first layer."""
    features: Literal[64] = 64
    """Length of the feature vector."""
    epochs: int = Field(ge=1, le=1_000_000)
    """Passes over the training images."""
    batch: int = Field(ge=1, le=1_000_000)
    """Images a step."""
    learning_rate: Real = Field(gt=0)
    """Peak learning rate."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of its initialisation, order and hold-out."""


class Inception(Strict):
    """The Inception network of FID, as clean-fid uses it."""

    name: Literal["inception"]
    weights: str | None = None
    """A local copy of inception-2015-12-05.pt, where `~` and `$SCRATCH` may stand; null: the installed offline package,
    else a download."""


Encoder = Annotated[
    Annotated[Classifier | Inception, Field(discriminator="name")],
    BeforeValidator(named),
]


Precision = Literal["float32", "tf32", "bfloat16"]


class Evaluation(Strict):
    """How sample sets are scored."""

    samples: int = Field(ge=2, le=100_000_000)
    """Images generated for each sample set; the metric's name carries the number."""
    precision: Precision = "tf32"
    """Of the network's products while sample sets are drawn; solvers compute in float32. A CPU takes tf32 for float32.
    Restorations are made in tf32."""
    encoders: list[Encoder] = Field(min_length=1)
    """Feature extractors."""
    distances: Annotated[list[Literal["frechet", "kernel"]], AfterValidator(distinct)] = Field(min_length=1)
    """Distances between the features of samples and of the data set."""
    margin: Real = Field(0.05, gt=0, lt=1)
    """Changes below this share of a value are called equivalent to none, where that can be shown."""
    bootstrap: int = Field(50, ge=0, le=100_000)
    """Replicates of the bootstrap over images, beside each Frechet distance; 0: none."""

    def minimum_images(self) -> int:
        """Fewest images for which every distance is defined: a covariance needs more images than features."""
        if "frechet" not in self.distances:
            return 2
        return max(FEATURES[encoder.name] for encoder in self.encoders) + 1

    @model_validator(mode="after")
    def _one_encoder_a_name(self) -> Self:
        distinct([encoder.name for encoder in self.encoders])
        return self

    @model_validator(mode="after")
    def _enough_samples(self) -> Self:
        if self.samples < self.minimum_images():
            raise ValueError(
                f"samples = {self.samples} is too few: the Frechet distance needs at least "
                f"{self.minimum_images()} (one more than the encoder has features)"
            )
        return self


class Benchmark(Strict):
    """One benchmark: what is compared, on which data, how it is trained and how it is measured."""

    name: Name
    """Name of the report folder."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], AfterValidator(distinct)] = Field(min_length=1)
    """Seeds; each trains a network of its own, and samples from noise of its own."""
    plugins: Annotated[list[str], AfterValidator(distinct), AfterValidator(load)] = Field([])
    """Python files of your own with solvers, methods or schedules, relative to where the workflow is started. Whoever
    reads this configuration runs their code."""
    datasets: dict[Name, Annotated[Dataset, BeforeValidator(resolved)]] = Field(min_length=1)
    """Data sets by name: the name of one in config/datasets.yaml, or settings."""
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
    """How fast the device is that shall run it, for the estimate of `etsdm plan`; it changes no result."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sizes = {(name, dataset.resolution) for name, dataset in self.datasets.items()}
        for experiment, grids in self.experiments.asked().items():
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
