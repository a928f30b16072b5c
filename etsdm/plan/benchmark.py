"""The typed configuration of a benchmark: every key, its type, its bounds and what it means.

`config/schema.json` and the key reference in `config/README.md` are generated from these models.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from etsdm.config.cost import Cost
from etsdm.config.strict import MOST, Count, Counts, Name, Rate, Real, Strict, allowed_instead, distinct, named
from etsdm.data.registered import resolved
from etsdm.data.settings import Dataset
from etsdm.diffusion.replicas import STEP
from etsdm.diffusion.schedules import make_schedule
from etsdm.diffusion.settings import ModifiedSchedule
from etsdm.experiments.settings import (
    Block,
    Experiments,
    Lipschitz,
    Pairs,
    PredictionName,
    Progress,
    Resolution,
    ScheduleName,
    Stability,
    Theory,
    TimeName,
)
from etsdm.metrics.names import FEATURES
from etsdm.plan.grid import Cell, cells, refusal

MOST_CHANNELS = 4096 * 64
"""Of a level of the network."""

# ---------------------------------------------------------------- what is trained, and how


class Diffusion(Strict):
    """The forward process."""

    timesteps: int = Field(1000, ge=50, le=100_000)
    """T."""
    schedule: ScheduleName = "linear"
    """Noise schedule where an experiment names none."""
    time: TimeName = "discrete"
    """Training times: the integers 0 to T - 1, or any t = T tau with tau_min <= tau <= 1."""
    prediction: PredictionName = "eps"
    """What the network predicts: the noise, v = alpha eps - sigma x_0, or x_0."""
    tau_min: Real = Field(1e-3, gt=0, lt=0.1)
    """In continuous time, the least tau in training and the end of sampling. modified-schedule ends at its noise
    level."""


class Network(Strict):
    """The ADM U-Net. Every value is stated here, none is hidden in code."""

    channels: int = Field(ge=1, le=4096)
    """Channels of the first level."""
    multipliers: list[Annotated[int, Field(ge=1, le=64)]] = Field(min_length=1, max_length=11)
    """Channels of each level, as multiples of `channels`; each level halves the resolution."""
    blocks: int = Field(ge=1, le=32)
    """Residual blocks a level."""
    attention: list[Annotated[int, Field(ge=1, le=1024)]]
    """Resolutions, in pixels, that have self-attention."""
    heads: int = Field(ge=1, le=MOST_CHANNELS)
    """Attention heads, where `head_channels` is null."""
    head_channels: int | None = Field(ge=1, le=MOST_CHANNELS)
    """Channels a head; overrides `heads`."""
    dropout: Real = Field(ge=0, lt=1)
    """Dropout rate in the residual blocks."""
    norm_groups: int = Field(ge=1, le=MOST_CHANNELS)
    """Groups of each group normalisation; must divide the channels of every level."""
    scale_shift_norm: bool
    """Let time scale and shift the normalised activations (adaptive group normalisation)."""
    resblock_updown: bool
    """Change the resolution by residual blocks instead of strided convolutions."""

    @model_validator(mode="after")
    def _channels_divide(self) -> Self:
        widths = [self.channels * multiplier for multiplier in self.multipliers]
        for width in widths:
            if width % self.norm_groups:
                raise ValueError(f"norm_groups = {self.norm_groups} does not divide the {width} channels of a level")
        if self.channels % 2:
            raise ValueError(f"channels = {self.channels} must be even: time is embedded in sines and cosines")
        last = widths[-1]  # the middle block always has attention
        if self.head_channels is None and last % self.heads:
            raise ValueError(f"heads = {self.heads} does not divide the {last} channels of the last level")
        if self.head_channels is not None and last % self.head_channels:
            raise ValueError(
                f"head_channels = {self.head_channels} does not divide the {last} channels of the last level"
            )
        return self


class Initial(Strict):
    """Weights that a training starts from: of a training, or of `etsdm import`, which prints this block."""

    weights: str = Field(min_length=1)
    """The weights.safetensors, absolute or relative to where the workflow is started. As in all paths, `~` and
    `$SCRATCH`, say, are replaced when it is read."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Its SHA-256, which tells models trained from different weights apart."""


class Snapshots(Strict):
    """Averaged weights to keep on the way, for the experiment `progress`: one set for each count and half-life."""

    images: Counts
    """Counts of images seen, each at most `training.images`: kept after the first step at or beyond the count."""
    ema_half_lives: Counts
    """Half-lives of the averages, in images."""


class Training(Strict):
    """How the network is trained. The clock counts images: nothing depends on the number of devices or their memory."""

    images: int = Field(ge=0, le=MOST)
    """Length of the training, in images seen; with 0, the model is the `initial` one as it is."""
    batch: int = Field(ge=1, le=1_000_000)
    """Images a step, over all devices together."""
    optimizer: Literal["adamw"]
    """The optimizer."""
    learning_rate: Real = Field(gt=0)
    """After the warm-up."""
    betas: tuple[Rate, Rate] = Field(strict=False)
    """AdamW's moment decay rates."""
    weight_decay: Real = Field(ge=0)
    """AdamW's decoupled weight decay."""
    warmup: int = Field(ge=0, le=MOST)
    """Images over which the learning rate rises linearly."""
    ema_half_life: Count
    """Half-life of the averaged weights, in images."""
    gradient_clip: Real = Field(gt=0)
    """Largest norm of the gradient."""
    precision: Literal["float32", "bfloat16"]
    """bfloat16: mixed precision where the device has it."""
    flip: bool
    """Mirror images at random."""
    initial: Initial | None = None
    """Where every training starts; null: random weights. `network` must be that of these weights, but for `dropout`."""

    snapshots: Snapshots | None = None
    """Averaged weights to keep on the way; null: none. To ask for others is to train again."""

    @model_validator(mode="after")
    def _snapshots_lie_on_the_way(self) -> Self:
        for count in self.snapshots.images if self.snapshots else ():
            if count > self.images:
                raise ValueError(f"snapshots.images: {count} lies beyond the end of training, images = {self.images}")
        return self

    @model_validator(mode="after")
    def _something_to_learn_or_to_start_from(self) -> Self:
        if not self.images and not self.initial:
            raise ValueError("images = 0 takes the `initial` weights as they are, but none are given")
        return self


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


class Keep(Strict):
    """What stays on disk when it has been used; it changes no result."""

    samples: Literal["all", "shown"] = "all"
    """Archives of generated images: all, or only the first images of those in figures, once features are there."""
    maps: bool = True
    """Images as trainings read them, decoded: kept, or removed when a workflow has ended well."""
    logs: bool = True
    """Logs of sampling, restoring and scoring: kept, or removed when the scores are there and the workflow ends."""


class Benchmark(Strict):
    """One benchmark: what is compared, on which data, how it is trained and how it is measured."""

    name: Name
    """Name of the report folder."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], AfterValidator(distinct)] = Field(min_length=1)
    """Seeds; each trains a network of its own, and samples from noise of its own."""
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
    experiments: Experiments
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
        for experiment, blocks in self.experiments.asked().items():
            try:
                for block in blocks:
                    sizes |= self._check_block(block)
            except ValueError as error:
                raise ValueError(f"experiments.{experiment}: {error}") from None
        for name in self.cost.images if self.cost else ():
            if name not in self.datasets:
                raise ValueError(f"cost.images: no data set {name!r}; {allowed_instead(name, list(self.datasets))}")
        for name, resolution in sorted(sizes):
            self._check_network(name, resolution)
        return self

    def _check_block(self, block: Block) -> set[tuple[str, int]]:
        """Names and sizes of the data that a block trains on; ValueError if it cannot be run."""
        sizes = set()
        for cell in cells(self, block):
            sizes.add((cell.name, cell.dataset.resolution))
            if reason := refusal(cell.diffusion, cell.method, cell.dataset.resolution, getattr(block, "solvers", ())):
                raise ValueError(reason)
            if cell.method.name == "replica" and max(self.seeds) >= STEP:
                raise ValueError(
                    f"replica adds {STEP} times its number to each seed; seeds must be below {STEP}, "
                    f"not {max(self.seeds)}"
                )
            self._check_times(block, cell)
        if isinstance(block, Progress) and self.training.snapshots is None:
            end = self.training.images
            raise ValueError(
                "there is nothing to measure without training.snapshots; give counts of images seen and half-lives, "
                f"such as snapshots: {{images: [{end // 2}, {end}], ema_half_lives: [{self.training.ema_half_life}]}}"
            )
        if isinstance(block, Theory) and block.t_tilde >= self.diffusion.timesteps:
            raise ValueError(f"t_tilde = {block.t_tilde} must be less than T = {self.diffusion.timesteps}")
        return sizes

    def _check_times(self, block: Block, cell: Cell) -> None:
        times = {
            Stability: ("t",),
            Lipschitz: ("fine_until", "coarse_until"),
            Resolution: ("fine_until", "coarse_until"),
            Progress: ("fine_until", "coarse_until"),
        }
        d = cell.diffusion
        plain = make_schedule(d.schedule, d.timesteps, cell.dataset.resolution, d.time, d.tau_min)
        schedule = plain.flattened(cell.method.t_tilde) if isinstance(cell.method, ModifiedSchedule) else plain
        least = schedule.t_stop if isinstance(block, Stability) else schedule.t_min
        if isinstance(block, Pairs) and block.fine_step <= least:
            raise ValueError(
                f"fine_step: the pair (0, {block.fine_step}) lies below the least time that is trained, tau_min T = "
                f"{least:g}; allowed: fine_step above {least:g}, or a lower diffusion.tau_min"
            )
        for name in times.get(type(block), ()):
            t = getattr(block, name)
            if not least <= t <= schedule.t_max:
                raise ValueError(
                    f"{name}: t = {t} lies outside the times of the {d.schedule} schedule; "
                    f"allowed: {least:g} to {schedule.t_max:g}"
                )

        if isinstance(block, Stability) and schedule.whole and block.nfe > (most := int(block.t - least) + 1):
            raise ValueError(
                f"nfe = {block.nfe} is more than the {most} timesteps from t = {block.t} down; allowed: up to {most}"
            )

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
