"""Solvers: plain functions from noise to images. One module a family, imported only when that family is used.

Every family module has its plain solver function, and `solve(predict, schedule, x, spec, noise)`, which makes
the time grid its spec asks for, calls the plain function and returns the images. `predict(x, t)` is called
exactly `spec["nfe"]` times; `noise()` gives a fresh standard normal tensor like x.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

MODULES = {
    "ddpm": "ddpm",
    "ddim": "ddim",
    "dpm-solver-1": "dpm_solver",
    "dpm-solver-2": "dpm_solver",
    "dpm-solver-3": "dpm_solver",
    "dpm-solver++-2m": "dpm_solver_pp",
    "dpm-solver++-3m": "dpm_solver_pp",
}


def module(name: str) -> str:
    """Full name of the named solver's module. Raises KeyError for a name not in MODULES."""
    return f"etsdm.solvers.{MODULES[name]}"


def load(name: str) -> Callable[..., Any]:
    """The `solve` function of the named solver. Raises KeyError for a name not in MODULES."""
    solve: Callable[..., Any] = importlib.import_module(f"{__name__}.{MODULES[name]}").solve
    return solve


FEWEST = {
    "ddpm": (1, 1),
    "ddim": (1, 1),
    "dpm-solver-1": (1, 1),
    "dpm-solver-2": (2, 3),
    "dpm-solver-3": (4, 4),
    "dpm-solver++-2m": (2, 3),
    "dpm-solver++-3m": (3, 5),
}
"""Evaluations with which a solver takes its first step of full order: plain, and with a lower-order last step."""


def minimum_nfe(name: str, denoise: bool, lower_order_final: bool = False) -> int:
    """Fewest evaluations with which the named solver is what its name says.

    A final denoising takes one more, except for ddpm and ddim, whose last step it is.
    """
    return FEWEST[name][lower_order_final] + (denoise and name not in ("ddpm", "ddim"))


def too_many(name: str, nfe: int, timesteps: int, whole: bool) -> str | None:
    """Why `nfe` evaluations are more than a network can answer differently; None if they are not.

    In discrete time a network knows T times. Solvers stop between them, where log alpha is interpolated, but with more
    stops than times there are several in a step, and the network has learned nothing of what lies between. Ancestral
    sampling is a chain of at most T steps in continuous time as well.

    Args:
        name: of the solver.
        nfe: network evaluations an image.
        timesteps: T.
        whole: whether training knows the integers only, as in discrete time.
    """
    if nfe <= timesteps or not (whole or name == "ddpm"):
        return None
    return f"nfe = {nfe} of {name} is more than the {timesteps} timesteps that there are; allowed: up to {timesteps}"
