"""Timestep conditions f(t): what the network is told about time."""

from collections.abc import Callable

from etsdm.diffusion.schedules import Array

Condition = Callable[[Array], Array]
"""From times to conditions, both float64 of any one shape."""


def jumps_of(condition: Condition) -> tuple[float, ...]:
    """The times at which a condition jumps, if it says so by an attribute `jumps`; else none."""
    return getattr(condition, "jumps", ())


def identity(t: Array) -> Array:
    """The plain condition, f(t) = t."""
    return t
