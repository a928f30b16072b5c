"""`import etsdm` with torch and numpy alone, of whatever versions: a script for environments that have nothing else."""

import copy
import importlib.abc
import pickle
import sys
from typing import Any

import numpy
import torch

ALLOWED = {"etsdm", "numpy", "torch", *sys.stdlib_module_names}


class Refusal(importlib.abc.MetaPathFinder):
    """Refuses to import any other package, even one that is installed. What torch needs is there already."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"import of {name}", name=name)


sys.meta_path.insert(0, Refusal())

import etsdm  # noqa: E402


class Network(torch.nn.Module):
    """Gives back the time that it is told."""

    def forward(self, x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        return x * timestep


network, x, t = Network(), torch.ones(3, requires_grad=True), torch.tensor([5.0, 37.0, 150.0])
handle = etsdm.share(network, t_tilde=100, n=5)
network(x, timestep=t).sum().backward()
assert network(x, t).tolist() == x.grad.tolist() == [0, 20, 150], x.grad
assert copy.deepcopy(network)(x, t).tolist() == pickle.loads(pickle.dumps(network))(x, t).tolist() == [0, 20, 150]
handle.remove()
assert network(x, t).tolist() == t.tolist()
assert etsdm.share_timesteps(torch.tensor([1.0, 0.975]), scale=1000, toward="noise").unique().numel() == 2
assert etsdm.share_timesteps(torch.tensor([0, 19, 20, 99, 100])).tolist() == [0, 0, 20, 80, 100]
print(f"etsdm of {etsdm.__path__[0]} works with torch {torch.__version__} and numpy {numpy.__version__}")
