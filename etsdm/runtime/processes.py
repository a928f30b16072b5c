"""The processes that do a job together: a single one, which needs no torch for it, or those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        return bool(self._extreme(int(flag), "MAX"))

    def least(self, number: int) -> int:
        """The smallest `number` of all processes."""
        return self._extreme(number, "MIN")

    def _extreme(self, number: int, which: str) -> int:
        if self.count == 1:
            return number
        import torch
        import torch.distributed as dist

        tensor = torch.tensor(number)
        dist.all_reduce(tensor, getattr(dist.ReduceOp, which))
        return int(tensor)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of the processes' tensors."""
        summed = tensor.clone()
        if self.count > 1:
            import torch.distributed as dist

            dist.all_reduce(summed)
        return summed

    def agree(self, value: Any) -> Any:
        """The value that the first process gives."""
        objects = [value]
        if self.count > 1:
            import torch.distributed as dist

            dist.broadcast_object_list(objects)
        return objects[0]

    def meet(self) -> None:
        """Wait for the others."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Meet the other processes of the job, if torchrun started any: over gloo on the CPU, over NCCL on GPUs."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Processes()
        return
    import torch
    import torch.distributed as dist

    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
