"""Probes: measurements on trained networks. One module each, imported only when it is used.

Every module has `probe(weights, images, spec, device="auto", progress=True)`, which measures the network in `weights`
on the clean images of an archive and gives a result that can be written as JSON. `theory` needs no network and stands
apart.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

MODULES = {"lipschitz": "lipschitz", "stability": "stability", "solver-error": "solver_error"}


def module(name: str) -> str:
    """Full name of the named probe's module. Raises KeyError for a name not in MODULES."""
    return f"{__name__}.{MODULES[name]}"


def load(name: str) -> Callable[..., dict[str, Any]]:
    """The `probe` function of the named probe. Raises KeyError for a name not in MODULES."""
    probe: Callable[..., dict[str, Any]] = importlib.import_module(module(name)).probe
    return probe
