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


def load(name: str) -> Callable[..., Any]:
    """The `solve` function of the named solver. Raises KeyError for a name not in MODULES."""
    solve: Callable[..., Any] = importlib.import_module(f"{__name__}.{MODULES[name]}").solve
    return solve


def minimum_nfe(name: str, denoise: bool) -> int:
    """Fewest evaluations with which the named solver is what its name says.

    A DPM-Solver of order k needs k of them for one step of its order, and one more for a final denoising; for
    ddpm and ddim the denoising is the last step itself.
    """
    if name in ("ddpm", "ddim"):
        return 1
    return int(name.rstrip("m")[-1]) + denoise
