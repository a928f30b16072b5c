"""The typed configuration of a benchmark: every key, its type, its bounds and what it means.

`config/schema.json` and the key reference in `config/README.md` are generated from these models.
"""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from etsdm.errors import UserError
from etsdm.metrics.names import FEATURES
from etsdm.solvers import minimum_nfe

Model = TypeVar("Model")


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is needed, not {value}")
    return value


def _distinct(values: list[Any]) -> list[Any]:
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{getattr(twice[0], 'name', twice[0])} is given twice")
    return values


Real = Annotated[float, BeforeValidator(_no_flag), Field(strict=False, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
ScheduleName = Literal["linear", "quadratic", "cosine", "cosine-shift", "zero-terminal-snr"]
GridName = Literal["uniform", "quadratic", "log-snr"]
SolverName = Literal[
    "ddpm", "ddim", "dpm-solver-1", "dpm-solver-2", "dpm-solver-3", "dpm-solver++-2m", "dpm-solver++-3m"
]


class Strict(BaseModel):
    """A block of the configuration: no unknown keys, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )


# ---------------------------------------------------------------- data sets


class Bundled(Strict):
    """Images that come with an installed package; nothing is downloaded."""

    source: Literal["bundled"]
    bundle: Literal["digits"]
    """`digits`: scikit-learn's 1,797 handwritten digits, 8x8, grey, labelled."""

    @property
    def resolution(self) -> int:
        """Side in pixels."""
        return 8

    @property
    def channels(self) -> int:
        """Grey."""
        return 1


class Folder(Strict):
    """A folder of images, all square and of one size. If each lies in a sub-folder, those are the labels."""

    source: Literal["folder"]
    path: str = Field(min_length=1)
    """The folder, absolute or relative to where the workflow is started."""
    resolution: int = Field(ge=4, le=1024)
    """Side of every image in pixels."""
    channels: Literal[1, 3] = 3
    """1: converted to grey; 3: converted to RGB."""


Dataset = Annotated[Bundled | Folder, Field(discriminator="source")]

# ---------------------------------------------------------------- methods and solvers


class Ddpm(Strict):
    """The baseline: the network is conditioned on t itself."""

    name: Literal["ddpm"]

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return "ddpm"


class Etsdm(Strict):
    """E-TSDM: the condition is shared inside n uniform sub-intervals of [0, t_tilde)."""

    name: Literal["etsdm"]
    t_tilde: int = Field(100, ge=1)
    """End of the shared interval, in steps."""
    n: int = Field(5, ge=1)
    """Number of sub-intervals; must divide t_tilde."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"etsdm-{self.t_tilde}-{self.n}"

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.t_tilde % self.n:
            raise ValueError(f"n = {self.n} does not divide t_tilde = {self.t_tilde}")
        return self


class _Solver(Strict):
    name: str
    nfe: Annotated[list[Annotated[int, Field(ge=1)]], AfterValidator(_distinct)] = Field(min_length=1)
    """Budgets of network evaluations; each becomes a sample set."""
    grid: GridName = "uniform"
    """How the times are spaced: evenly in t, evenly in sqrt(t), or evenly in lambda_t."""
    denoise: bool = False
    """Spend the last evaluation on predicting x_0 at t = 0 (`denoise_to_zero`)."""
    clip_x0: bool = False
    """Clip each predicted x_0 to [-1, 1]."""

    @model_validator(mode="after")
    def _enough_evaluations(self) -> Self:
        least = minimum_nfe(self.name, self.denoise, getattr(self, "lower_order_final", False))
        for nfe in self.nfe:
            if nfe < least:
                raise ValueError(f"nfe = {nfe} is too few: {self.name} with these settings needs at least {least}")
        return self


class AncestralSolver(_Solver):
    """Ancestral sampling of Ho et al. (2020), respaced; it always ends with the predicted x_0."""

    name: Literal["ddpm"]
    denoise: Literal[True] = True
    """Ancestral sampling always ends with the predicted x_0."""
    clip_x0: bool = True
    """Clip each predicted x_0 to [-1, 1]."""
    variance: Literal["fixed-small", "fixed-large"] = "fixed-large"
    """The posterior variance (small) or beta_t (large)."""


class DdimSolver(_Solver):
    """DDIM (Song et al. 2021)."""

    name: Literal["ddim"]
    denoise: bool = True
    """End with the predicted x_0, as DDIM does."""
    eta: Real = Field(0.0, ge=0, le=1)
    """0: deterministic; 1: ancestral."""


class FirstOrderSolver(_Solver):
    """DPM-Solver of order 1 (Lu et al. 2022)."""

    name: Literal["dpm-solver-1"]


class HighOrderSolver(_Solver):
    """DPM-Solver (singlestep, orders 2 and 3) and DPM-Solver++ (multistep, 2M and 3M)."""

    name: Literal["dpm-solver-2", "dpm-solver-3", "dpm-solver++-2m", "dpm-solver++-3m"]
    lower_order_final: bool = False
    """Let the last step be of order 1, against the instability near t = 0."""


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Method = Annotated[Ddpm | Etsdm, Field(discriminator="name")]
Solver = Annotated[AncestralSolver | DdimSolver | FirstOrderSolver | HighOrderSolver, Field(discriminator="name")]
Methods = Annotated[list[Annotated[Method, BeforeValidator(_named)]], Field(min_length=1), AfterValidator(_distinct)]
Solvers = Annotated[list[Solver], Field(min_length=1), AfterValidator(_distinct)]

# ---------------------------------------------------------------- what is trained, and how


class Diffusion(Strict):
    """The forward process."""

    timesteps: int = Field(1000, ge=50, le=100_000)
    """T."""
    schedule: ScheduleName = "linear"
    """Noise schedule where an experiment names none."""
    time: Literal["discrete"] = "discrete"
    """Training times are the integers 0 to T - 1."""
    prediction: Literal["eps"] = "eps"
    """The network predicts the noise."""


class Network(Strict):
    """The ADM U-Net. Every value is stated here, none is hidden in code."""

    channels: int = Field(ge=1)
    """Channels of the first level."""
    multipliers: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    """Channels of each level, as multiples of `channels`; each level halves the resolution."""
    blocks: int = Field(ge=1)
    """Residual blocks a level."""
    attention: list[int]
    """Resolutions, in pixels, that have self-attention."""
    heads: int = Field(ge=1)
    """Attention heads, where `head_channels` is null."""
    head_channels: int | None = Field(ge=1)
    """Channels a head; overrides `heads`."""
    dropout: Real = Field(ge=0, lt=1)
    """Dropout rate in the residual blocks."""
    norm_groups: int = Field(ge=1)
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


class Training(Strict):
    """How the network is trained. The clock counts images, so nothing depends on the number of devices."""

    images: int = Field(ge=1)
    """Length of the training, in images seen."""
    batch: int = Field(ge=1)
    """Images a step, over all devices together."""
    micro_batch: int | None = Field(ge=1)
    """Images at a time on a device (null: the whole batch); gradients are accumulated."""
    optimizer: Literal["adamw"]
    """The optimizer."""
    learning_rate: Real = Field(gt=0)
    """After the warm-up."""
    betas: tuple[Annotated[Real, Field(ge=0, lt=1)], Annotated[Real, Field(ge=0, lt=1)]] = Field(strict=False)
    """AdamW's moment decay rates."""
    weight_decay: Real = Field(ge=0)
    """AdamW's decoupled weight decay."""
    warmup: int = Field(ge=0)
    """Images over which the learning rate rises linearly."""
    ema_half_life: int = Field(ge=1)
    """Half-life of the averaged weights, in images."""
    gradient_clip: Real = Field(gt=0)
    """Largest norm of the gradient."""
    precision: Literal["float32", "bfloat16"]
    """bfloat16: mixed precision where the device has it."""
    flip: bool
    """Mirror images at random."""
    save_every: int = Field(ge=1)
    """Images between saved states: what an interruption can cost."""
    log_every: int = Field(ge=1)
    """Images between lines of metrics.jsonl."""


# ---------------------------------------------------------------- evaluation


class Classifier(Strict):
    """A small CNN that the workflow trains on the data set's own labels. Its distances are not FID."""

    name: Literal["classifier"]
    width: int = Field(ge=1)
    """Channels of the first layer."""
    features: Literal[64] = 64
    """Length of the feature vector."""
    epochs: int = Field(ge=1)
    """Passes over the training images."""
    batch: int = Field(ge=1)
    """Images a step."""
    learning_rate: Real = Field(gt=0)
    """Peak learning rate."""
    seed: int = Field(0, ge=0)
    """Seed of its initialisation, order and hold-out."""


class Inception(Strict):
    """The Inception network of FID, through clean-fid."""

    name: Literal["inception"]
    weights: str | None = None
    """A local copy of inception-2015-12-05.pt; null: the installed offline package, else a download."""


Encoder = Annotated[
    Annotated[Classifier | Inception, Field(discriminator="name")],
    BeforeValidator(_named),
]


class Evaluation(Strict):
    """How sample sets are scored."""

    samples: int = Field(ge=2)
    """Images generated for each sample set; the metric's name carries the number."""
    encoders: list[Encoder] = Field(min_length=1)
    """Feature extractors."""
    distances: Annotated[list[Literal["frechet", "kernel"]], AfterValidator(_distinct)] = Field(min_length=1)
    """Distances between the features of samples and of the data set."""

    def minimum_images(self) -> int:
        """Fewest images for which every distance is defined: a covariance needs more images than features."""
        if "frechet" not in self.distances:
            return 2
        return max(FEATURES[encoder.name] for encoder in self.encoders) + 1

    @model_validator(mode="after")
    def _one_encoder_a_name(self) -> Self:
        _distinct([encoder.name for encoder in self.encoders])
        return self

    @model_validator(mode="after")
    def _enough_samples(self) -> Self:
        if self.samples < self.minimum_images():
            raise ValueError(
                f"samples = {self.samples} is too few: the Frechet distance needs at least "
                f"{self.minimum_images()} (one more than the encoder has features)"
            )
        return self


# ---------------------------------------------------------------- experiments


class Sampled(Strict):
    """A grid of data sets, schedules, methods and solvers, scored by the distances of `evaluation`."""

    datasets: Annotated[list[str], AfterValidator(_distinct)] = Field(min_length=1)
    """Names from `datasets`."""
    schedules: Annotated[list[ScheduleName], AfterValidator(_distinct)] | None = None
    """Noise schedules; null: the one of `diffusion`."""
    methods: Methods
    """Methods: a name alone takes that method's defaults."""
    solvers: Solvers
    """Solvers, each with its budgets."""


class Lipschitz(Strict):
    """The time-Lipschitz constant K(t, t') of each trained network."""

    datasets: Annotated[list[str], AfterValidator(_distinct)] = Field(min_length=1)
    """Names from `datasets`."""
    schedules: Annotated[list[ScheduleName], AfterValidator(_distinct)] | None = None
    """Noise schedules; null: the one of `diffusion`."""
    methods: Methods
    """Methods: a name alone takes that method's defaults."""
    images: int = Field(ge=1)
    """Images x_0 over which K is averaged."""
    fine_step: int = Field(10, ge=1)
    """Pairs (t - fine_step, t) up to `fine_until`..."""
    fine_until: int = Field(100, ge=1)
    """...and (t - coarse_step, t) above."""
    coarse_step: int = Field(100, ge=1)
    """Step of the coarse pairs."""
    coarse_until: int = Field(400, ge=1)
    """Last t of the coarse pairs."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        if self.fine_until % self.fine_step or self.fine_until < 2 * self.fine_step:
            raise ValueError(f"fine_until = {self.fine_until} must be two or more times fine_step = {self.fine_step}")
        if self.coarse_until % self.coarse_step:
            raise ValueError(f"coarse_until = {self.coarse_until} is no multiple of coarse_step = {self.coarse_step}")
        return self


class Experiments(Strict):
    """The experiments to run; two that need the same trained network share it."""

    datasets: Sampled | None = None
    """E-TSDM against DDPM on each data set."""
    fast_sampling: Sampled | None = Field(None, alias="fast-sampling")
    """Few-step solvers."""
    lipschitz: Lipschitz | None = None
    """Time-Lipschitz curves."""

    def sampled(self) -> dict[str, Sampled]:
        """The experiments that end in a distance, by name."""
        blocks = {"datasets": self.datasets, "fast-sampling": self.fast_sampling}
        return {name: block for name, block in blocks.items() if block is not None}

    def all(self) -> dict[str, Sampled | Lipschitz]:
        """Every experiment asked for, by name."""
        return self.sampled() | ({"lipschitz": self.lipschitz} if self.lipschitz else {})


class Benchmark(Strict):
    """One benchmark: what is compared, on which data, how it is trained and how it is measured."""

    name: Name
    """Name of the report folder."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], AfterValidator(_distinct)] = Field(min_length=1)
    """Seeds; each trains a network of its own, and samples from noise of its own."""
    datasets: dict[Name, Dataset] = Field(min_length=1)
    """Data sets by name."""
    diffusion: Diffusion = Diffusion(timesteps=1000)
    """The forward process."""
    network: Network
    """The network."""
    training: Training
    """The training."""
    evaluation: Evaluation
    """The metrics."""
    experiments: Experiments
    """The experiments."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        timesteps = self.diffusion.timesteps
        for experiment, block in self.experiments.all().items():
            for name in block.datasets:
                if name not in self.datasets:
                    raise ValueError(
                        f"experiments.{experiment}.datasets: no data set {name!r}; "
                        + allowed_instead(name, list(self.datasets))
                    )
            for method in block.methods:
                if isinstance(method, Etsdm) and method.t_tilde > timesteps:
                    raise ValueError(
                        f"experiments.{experiment}.methods: t_tilde = {method.t_tilde} lies beyond the last of "
                        f"{timesteps} timesteps; allowed: 1 to {timesteps}"
                    )
        if lipschitz := self.experiments.lipschitz:
            last = max(lipschitz.fine_until, lipschitz.coarse_until)
            if last >= timesteps:
                raise ValueError(
                    f"experiments.lipschitz: t = {last} lies beyond the last timestep; allowed: up to {timesteps - 1}"
                )
        for experiment, sampled in self.experiments.sampled().items():
            for solver in sampled.solvers:
                if isinstance(solver, AncestralSolver) and max(solver.nfe) > timesteps:
                    raise ValueError(
                        f"experiments.{experiment}.solvers: ddpm cannot take {max(solver.nfe)} steps of "
                        f"{timesteps} timesteps"
                    )
        for name, dataset in self.datasets.items():
            factor = 2 ** (len(self.network.multipliers) - 1)
            if dataset.resolution % factor:
                raise ValueError(
                    f"datasets.{name}: {dataset.resolution} px cannot be halved {len(self.network.multipliers) - 1} "
                    f"times for the {len(self.network.multipliers)} levels of network.multipliers"
                )
            levels = [dataset.resolution // 2**level for level in range(len(self.network.multipliers))]
            if not set(self.network.attention) <= set(levels):
                raise ValueError(
                    f"network.attention: {self.network.attention} are not all resolutions of the network on "
                    f"{name}; allowed: {', '.join(map(str, levels))}"
                )
        return self


# ---------------------------------------------------------------- reading


def allowed_instead(value: str, allowed: list[str]) -> str:
    """What may stand where `value` does, and the nearest to it."""
    near = difflib.get_close_matches(value, allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"allowed: {', '.join(allowed)}{hint}"


def _allowed_keys(error: dict[str, Any], root: type[BaseModel]) -> list[str]:
    """Keys of the block in which an unknown key was found, by walking the generated schema."""
    schema = root.model_json_schema()

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        return schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node

    node: dict[str, Any] = schema
    for step in error["loc"][:-1]:
        node = resolve(node)
        options = [resolve(option) for option in node.get("anyOf", []) if option != {"type": "null"}]
        node = options[0] if options else node
        if isinstance(step, int):
            node = node["items"]
        elif step in node.get("properties", {}):
            node = node["properties"][step]
        elif step in node.get("discriminator", {}).get("mapping", {}):
            node = {"$ref": node["discriminator"]["mapping"][step]}
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
    node = resolve(node)
    options = [resolve(option) for option in node.get("anyOf", []) if option != {"type": "null"}]
    return list((options[0] if options else node).get("properties", {}))


def _key(location: tuple[int | str, ...], tags: set[str]) -> str:
    key = ""
    for step in location:
        if isinstance(step, int):
            key += f"[{step}]"
        elif step not in tags:
            key += f".{step}" if key else step
    return key


def _message(error: Any) -> str:
    location, kind, value = error["loc"], error["type"], error["input"]
    tags = {"ddpm", "etsdm", "bundled", "folder", "classifier", "inception"} | set(SolverName.__args__)  # type: ignore[attr-defined]
    key = _key(location, tags - {step for step in location[:2] if isinstance(step, str)})
    if kind == "extra_forbidden":
        return f"{key}: unknown key; " + allowed_instead(str(location[-1]), _allowed_keys(error, Benchmark))
    if kind == "union_tag_invalid":
        expected = [tag.strip().strip("'") for tag in error["ctx"]["expected_tags"].split(",")]
        field = error["ctx"]["discriminator"].strip("'")
        tag = str(error["ctx"]["tag"])
        return f"{key}.{field}: unknown {tag!r}; " + allowed_instead(tag, expected)
    if kind == "literal_error" and isinstance(value, str):
        expected = [tag.strip().strip("'") for tag in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{key}: unknown {value!r}; " + allowed_instead(value, expected)
    if kind == "missing":
        return f"{key}: missing; it must be given"
    if kind == "value_error":
        return f"{key}: {error['ctx']['error']}" if key else str(error["ctx"]["error"])
    return f"{key}: {error['msg'][0].lower()}{error['msg'][1:]}, not {value!r}"


def _checked(validate: Callable[[Any], Model], values: Any, source: str) -> Model:
    try:
        return validate(values)
    except ValidationError as error:
        lines = [f"{source}: {_message(problem)}" for problem in error.errors(include_url=False)]
        raise UserError("\n".join(lines)) from None


def parse_solver(values: dict[str, Any]) -> Solver:
    """Check one solver's settings.

    Raises:
        UserError: one line for each thing wrong.
    """
    return _checked(TypeAdapter(Solver).validate_python, values, "solver")


def parse_config(values: Any, file: str) -> Benchmark:
    """Check plain values against the models.

    Args:
        values: what the YAML file holds.
        file: its name, for messages.

    Raises:
        UserError: one line for each thing wrong: file, key, value and what is allowed.
    """
    if not isinstance(values, dict):
        raise UserError(f"{file}: a configuration is a mapping of keys, not {type(values).__name__}")
    return _checked(Benchmark.model_validate, values, file)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_config(path: Path) -> Benchmark:
    """Read and check the configuration at `path`.

    Raises:
        UserError: the file is missing, not YAML, or not a valid configuration.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see config/ for examples") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    return parse_config(values, str(path))
