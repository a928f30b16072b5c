"""What every method's settings have."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from etsdm.config.network import Network
from etsdm.config.strict import MOST_STEPS, Strict

if TYPE_CHECKING:
    from etsdm.diffusion.settings import Diffusion


class Method(Strict):
    """Settings of a method.

    Attributes:
        order: place among the methods.
    """

    order: ClassVar[int]

    name: str

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return self.name

    @property
    def seed_shift(self) -> int:
        """What is added to each of the benchmark's seeds."""
        return 0

    @property
    def keeps_activations(self) -> bool:
        """Whether its training needs the activations of a forward pass, so that they cannot be computed again."""
        return False

    def network(self, network: Network) -> Network:
        """The network as the method changes it.

        Raises:
            ValueError: the method cannot be used with it.
        """
        return network

    def training_factor(self, timesteps: int) -> float:
        """How much longer it makes a training of T timesteps."""
        return 1.0

    def refusal_of_seeds(self, seeds: list[int]) -> str | None:
        """Why the method cannot be used with the benchmark's seeds; None if it can."""
        return None

    def refusal(self, diffusion: "Diffusion") -> str | None:
        """Why the method cannot be used with a forward process; None if it can."""
        return None


class NearZero(Method):
    """Settings of a method that changes the times below t_tilde."""

    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """Below this time, in steps, the method acts."""

    def refusal(self, diffusion: "Diffusion") -> str | None:
        """Where t_tilde lies outside the times that are trained."""
        if self.t_tilde > diffusion.timesteps:
            return (
                f"t_tilde = {self.t_tilde} lies beyond the last of {diffusion.timesteps} timesteps; "
                f"allowed: 1 to {diffusion.timesteps}"
            )
        least = diffusion.tau_min * diffusion.timesteps
        if diffusion.time == "continuous" and self.t_tilde <= least:
            return f"t_tilde = {self.t_tilde} lies before the least time that is trained, tau_min T = {least:g}"
        return None
