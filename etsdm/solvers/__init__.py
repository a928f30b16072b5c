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
    """Fewest evaluations the named solver can be asked for.

    For the DPM-Solvers a final denoising takes one evaluation besides at least one step; for ddpm and ddim it
    is the last step itself.
    """
    return 2 if denoise and name not in ("ddpm", "ddim") else 1
