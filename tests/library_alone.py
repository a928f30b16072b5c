"""`import etsdm` with torch and numpy alone, of whatever versions: a script for environments that have nothing else."""

import importlib.abc
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

network = etsdm.ETSDM(torch.nn.Bilinear(1, 1, 1), t_tilde=100, n=5)
network(torch.ones(2, 1), torch.tensor([[5.0], [150.0]])).sum().backward()
assert etsdm.share_timesteps(torch.tensor([0, 19, 20, 99, 100])).tolist() == [0, 0, 20, 80, 100]
print(f"etsdm of {etsdm.__path__[0]} works with torch {torch.__version__} and numpy {numpy.__version__}")
