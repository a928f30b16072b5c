"""The settings of methods that share times inside sub-intervals."""

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from etsdm.config.strict import MOST_STEPS, Real
from etsdm.diffusion.methods.method import NearZero


class Sharing(NearZero):
    """Settings of a method that shares times inside sub-intervals of [0, t_tilde)."""

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
