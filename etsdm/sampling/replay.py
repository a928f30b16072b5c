"""A network's evaluations as replays of one CUDA graph: one by one, a small network waits for hundreds of launches."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from etsdm.models.bfloat16 import Bfloat16Copy
from etsdm.models.unet import UNet

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
        self._graph: torch.cuda.CUDAGraph | None = None

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """F(x, t), (B, C, H, W), of images (B, C, H, W) and times (B,)."""
        if self._graph is None and x.numel() <= GRAPHED_VALUES:
            self._capture(x, t)
        if self._graph is None or x.shape != self._x.shape:
            output: Tensor = self.network(x, t)
            return output
        self._x.copy_(x)
        self._t.copy_(t)
        self._graph.replay()
        return self._output.clone()

    def _capture(self, x: Tensor, t: Tensor) -> None:
        self._x, self._t = x.clone(memory_format=torch.channels_last), t.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        graph = torch.cuda.CUDAGraph()
        with without_cast_weights():
            with torch.cuda.stream(aside):  # what is compiled and chosen at the first call must not be captured
                self.network(self._x, self._t)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._output = self.network(self._x, self._t)
        self._graph = graph


@contextmanager
def without_cast_weights() -> Iterator[None]:
    """Inside, autocast keeps no cast weights, which a graph would read after autocast has freed them."""
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)
