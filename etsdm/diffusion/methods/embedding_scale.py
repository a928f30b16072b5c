"""embedding-scale: the network is told t / s, which lowers the highest frequency of its time embedding.

The sinusoid's frequencies fall from 1 per step. Divided by s, none is above 1 / s, and the slope in t of what follows
is smaller by as much. Slower embeddings steady consistency models (Lu & Song 2025, figure 4; Song & Dhariwal 2024); for
plain diffusion this is ours. It is a rival of E-TSDM with no partition and no jump: does the constant alone matter?
"""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from etsdm.config.strict import Real
from etsdm.diffusion.conditions import Condition
from etsdm.diffusion.methods.method import Method
from etsdm.diffusion.process import Process


class EmbeddingScale(Method):
    """The baseline told t / scale, so that its time embedding is slower."""

    order: ClassVar[int] = 55

    name: Literal["embedding-scale"]
    scale: Real = Field(16.0, ge=1)
    """By how much the frequencies of the time embedding fall; 1 is ddpm."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return f"embedding-scale-{self.scale:g}"


def slowed(scale: float) -> Condition:
    """g(t) = t / scale."""
    return lambda t: t / scale


def apply(process: Process, settings: EmbeddingScale) -> Process:
    """The process with the network told t / `scale` at every time."""
    return replace(process, condition=slowed(settings.scale))
