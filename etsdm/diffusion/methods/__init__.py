"""Methods: what each changes about the diffusion process. One small file a method, imported only when it is used.

Every module has `apply(process, settings)`, which gives the process as the method changes it. The settings are those of
its model in `etsdm.diffusion.settings`. To add a method, copy a file, add it to MODULES and describe its settings
there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

MODULES = {
    "ddpm": "ddpm",
    "etsdm": "etsdm",
    "regularization": "regularization",
    "modified-schedule": "modified_schedule",
    "remap": "remap",
    "shared-noise": "shared_noise",
    "score-weighted": "score_weighted",
    "replica": "replica",
}


def module(name: str) -> str:
    """Full name of the named method's module. Raises KeyError for a name not in MODULES."""
    return f"{__name__}.{MODULES[name]}"


def load(name: str) -> Callable[..., Any]:
    """The `apply` function of the named method. Raises KeyError for a name not in MODULES."""
    apply: Callable[..., Any] = importlib.import_module(module(name)).apply
    return apply
