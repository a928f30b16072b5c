"""Which times share a condition under E-TSDM, from the settings of a cell's method."""

import json
from itertools import pairwise
from typing import Any

from etsdm.report.cells import Cell


def inside(cell: Cell, first: float, last: float) -> bool:
    """Whether two times, first <= last, lie inside one shared sub-interval; False if the settings do not say."""
    ends = _left_ends(json.loads(cell["method_parameters"]))
    return ends is not None and any(low <= first and last < high for low, high in pairwise(ends))


def is_below(cell: Cell) -> bool:
    """Whether the cell's t lies below t_tilde, where E-TSDM acts."""
    return bool(cell["t"] < json.loads(cell["method_parameters"])["t_tilde"])


def _left_ends(settings: dict[str, Any]) -> list[float] | None:
    """Left ends of the shared sub-intervals and t_tilde; None if the settings alone do not tell them."""
    ends, t_tilde, n = settings["partition"], settings["t_tilde"], settings["n"]
    if ends == "uniform":
        ends = [i * t_tilde / n for i in range(n)]
    return None if isinstance(ends, str) else [*ends, t_tilde]
