"""added-time: time is added to the activations instead of scaling and shifting them (Ho et al. 2020's own network).

A time embedding that is added per channel can be cancelled by the group normalisation after it (Kim et al. 2024, "The
Disappearance of Timestep Embedding"), so K of such a network may differ. The paper does not say which it uses.
"""

from typing import ClassVar, Literal

from etsdm.config.network import Network
from etsdm.diffusion.methods.method import Method
from etsdm.diffusion.process import Process


class AddedTime(Method):
    """The baseline with a network to whose activations time is added."""

    order: ClassVar[int] = 75

    name: Literal["added-time"]

    def network(self, network: Network) -> Network:
        """The network with `scale_shift_norm` off; ValueError if it is off anyway."""
        if not network.scale_shift_norm:
            raise ValueError("added-time is ddpm where network.scale_shift_norm is false; use it with true")
        return network.model_copy(update={"scale_shift_norm": False})


def apply(process: Process, settings: AddedTime) -> Process:
    """The process as it is: the network alone differs."""
    return process
