"""A function of tensors on a GPU as one CUDA graph: a small network's step is otherwise thousands of launches."""

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]


class Graphed:
    """The same function, whose kernels are replayed as they were captured.

    Its results lie in memory of its own, which the next call overwrites. What it changes besides is changed at each
    call, and at a call before the capture, in which libraries load what must not be captured.

    Args:
        function: it waits for nothing and reads no numbers back.
        inputs: an example; each call is given tensors of these shapes.
    """

    def __init__(self, function: Function, *inputs: Tensor) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            function(*self._inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):  # another thread reads batches
            self._outputs = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the function gives for these inputs."""
        torch._foreach_copy_(self._inputs, list(inputs))
        self._graph.replay()
        return self._outputs
