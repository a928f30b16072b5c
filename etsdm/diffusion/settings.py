"""Settings of the methods; what each does is in the file of its name in `etsdm/diffusion/methods`."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from etsdm.config.strict import MOST_STEPS, Real, Strict, distinct, named


class Ddpm(Strict):
    """The baseline: the network is conditioned on t itself."""

    name: Literal["ddpm"]

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return "ddpm"


class _Sharing(Strict):
    name: str
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """End of the shared interval, in steps."""
    n: int = Field(5, ge=1, le=MOST_STEPS)
    """Number of sub-intervals."""
    partition: Literal["uniform", "sigma"] | list[Real] = "uniform"
    """How [0, t_tilde) is divided: evenly in t (n must divide t_tilde), evenly in sigma_t, or the n left ends."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        kind = {"uniform": "", "sigma": "-sigma"}.get(str(self.partition), "-listed")
        return f"{self.name}-{self.t_tilde}-{self.n}{kind}"

    @model_validator(mode="after")
    def _divided(self) -> Self:
        if self.partition == "uniform" and self.t_tilde % self.n:
            raise ValueError(f"n = {self.n} does not divide t_tilde = {self.t_tilde}")
        if isinstance(self.partition, list):
            edges = [*self.partition, self.t_tilde]
            if len(self.partition) != self.n:
                raise ValueError(f"partition: {len(self.partition)} left ends, but n = {self.n}")
            if edges[0] != 0 or any(a >= b for a, b in pairwise(edges)):
                raise ValueError(f"partition: the left ends must rise from 0 and stay below t_tilde = {self.t_tilde}")
        return self


class Etsdm(_Sharing):
    """E-TSDM: the condition is shared inside n sub-intervals of [0, t_tilde)."""

    name: Literal["etsdm"]


class SharedNoise(_Sharing):
    """Condition and noise level are both shared inside n sub-intervals, in training and in sampling."""

    name: Literal["shared-noise"]


class Regularization(Strict):
    """The baseline with a penalty on the network's derivative in t."""

    name: Literal["regularization"]
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """The penalty applies below this time, in steps."""
    weight: Real = Field(100.0, gt=0)
    """Weight of the mean squared derivative, t counted in steps."""
    estimator: Literal["forward-mode", "finite-difference"] = "forward-mode"
    """Exact, by forward-mode differentiation, or the difference over one step."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"regularization-{self.t_tilde}-{self.weight:g}"


class ModifiedSchedule(Strict):
    """The baseline on a schedule that starts flat: d alpha/dt = 0 at t = 0."""

    name: Literal["modified-schedule"]
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """Beta rises smoothly from 0 to its own value at this time, in steps (cosine: s = 0 instead)."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"modified-schedule-{self.t_tilde}"


class Remap(Strict):
    """The baseline conditioned on another function of t."""

    name: Literal["remap"]
    map: Literal["sigma", "log-snr", "sqrt"] = "sigma"
    """sigma_t, the log-SNR, or the square root of t, each scaled to the range of t."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"remap-{self.map}"


class ScoreWeighted(Strict):
    """The network learns the score instead of the noise, with the weight sigma^2."""

    name: Literal["score-weighted"]
    output: Literal["raw", "over-sigma"] = "raw"
    """The score is the network's output, or its output divided by sigma_t; the latter is ddpm with its sign turned."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return "score-weighted" if self.output == "raw" else f"score-weighted-{self.output}"


class Replica(Strict):
    """ddpm again, trained and sampled with other seeds than ddpm: whatever differs is chance."""

    name: Literal["replica"]
    number: int = Field(1, ge=1, le=100)
    """Of the replica: 1000 times it is added to each of `seeds`, which must be below 1000. The report pairs seed 1000
    of replica 1 with seed 0 of ddpm."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"replica-{self.number}"


Method = Annotated[
    Ddpm | Etsdm | SharedNoise | Regularization | ModifiedSchedule | Remap | ScoreWeighted | Replica,
    Field(discriminator="name"),
]
Methods = Annotated[list[Annotated[Method, BeforeValidator(named)]], Field(min_length=1), AfterValidator(distinct)]
