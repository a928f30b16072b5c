"""The processes that do a job together: a single one, or those that torchrun started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """Which process this is, out of how many, and what they tell each other. Every method is called by all of them."""

    rank: int = 0
    count: int = 1

    def share(self, total: int) -> slice:
        """This process's part of `total` things in a row; parts differ by one at most."""
        return slice(total * self.rank // self.count, total * (self.rank + 1) // self.count)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true in any of the processes."""
        told = torch.tensor(int(flag))
        if self.count > 1:
            dist.all_reduce(told, dist.ReduceOp.MAX)
        return bool(told)

    def least(self, number: int) -> int:
        """The smallest `number` of all processes."""
        told = torch.tensor(number)
        if self.count > 1:
            dist.all_reduce(told, dist.ReduceOp.MIN)
        return int(told)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of the processes' tensors."""
        summed = tensor.clone()
        if self.count > 1:
            dist.all_reduce(summed)
        return summed

    def agree(self, value: Any) -> Any:
        """The value that the first process gives."""
        told = [value]
        if self.count > 1:
            dist.broadcast_object_list(told)
        return told[0]

    def meet(self) -> None:
        """Wait for the others."""
        if self.count > 1:
            dist.barrier()


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Meet the other processes of the job, if torchrun started any: over gloo on the CPU, over NCCL on GPUs."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Processes()
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
