"""replica: ddpm again, trained and sampled with other seeds than ddpm. Whatever differs is chance (an A/A test)."""

from typing import ClassVar, Literal

from pydantic import Field

from etsdm.diffusion.methods.method import Method
from etsdm.diffusion.process import Process

STEP = 1000
"""Between one replica's seeds and the next one's; seeds of the benchmark must be less."""


class Replica(Method):
    """ddpm again, trained and sampled with other seeds than ddpm: whatever differs is chance."""

    order: ClassVar[int] = 80

    name: Literal["replica"]
    number: int = Field(1, ge=1, le=100)
    """Of the replica: 1000 times it is added to each of `seeds`, which must be below 1000. The report pairs seed 1000
    of replica 1 with seed 0 of ddpm."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"replica-{self.number}"

    @property
    def seed_shift(self) -> int:
        """Moves the replica's seeds beyond those of every other method."""
        return STEP * self.number

    def refusal_of_seeds(self, seeds: list[int]) -> str | None:
        """Where they reach those of a replica."""
        if max(seeds) < STEP:
            return None
        return f"replica adds {STEP} times its number to each seed; seeds must be below {STEP}, not {max(seeds)}"


def apply(process: Process, settings: Replica) -> Process:
    """The process as it is: the plan gives the replica its seeds."""
    return process
