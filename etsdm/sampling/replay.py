"""A network's evaluations as replays of one CUDA graph: one by one, a small network waits for hundreds of launches."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from etsdm.models.bfloat16 import Bfloat16Copy
from etsdm.models.unet import UNet
from etsdm.runtime.cuda_graph import Graphed

GRAPHED_VALUES = 2**21
"""Values of the largest batch of images that is evaluated so: larger ones were not tried, and wait for no launches."""


class Replay(nn.Module):
    """The same answers as the network's, on a GPU, for batches of the size of the first.

    The graph computes in the precision that is in force at the first call, and with the weights of that time.

    Args:
        network: in evaluation mode.
        precision: see `computing_in`; the weights are cast once for bfloat16.
    """

    def __init__(self, network: UNet, precision: str) -> None:
        super().__init__()
        self.network = Bfloat16Copy(network).network if precision == "bfloat16" else network
        self._shape: torch.Size | None = None

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """F(x, t), (B, C, H, W), of images (B, C, H, W) and times (B,)."""
        if self._shape is None and x.numel() <= GRAPHED_VALUES:
            with without_cast_weights():
                self._graphed = Graphed(self._evaluate, x.contiguous(memory_format=torch.channels_last), t)
            self._shape = x.shape
        if x.shape != self._shape:
            return self._evaluate(x, t)[0]
        return self._graphed(x, t)[0].clone()

    def _evaluate(self, x: Tensor, t: Tensor) -> tuple[Tensor]:
        return (self.network(x, t),)


@contextmanager
def without_cast_weights() -> Iterator[None]:
    """Inside, autocast keeps no cast weights, which a graph would read after autocast has freed them."""
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)
