"""Timestep conditions f(t): what the network is told about time. E-TSDM lives here."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

Time = TypeVar("Time", float, torch.Tensor)
Condition = Callable[[Any], Any]


def identity(t: Time) -> Time:
    """The plain condition, f(t) = t."""
    return t


def shared(t_tilde: float, n: int) -> Condition:
    """E-TSDM's condition (Yang et al. 2024, equation 7): time shared inside n sub-intervals of [0, t_tilde).

    f(t) is the left end of t's sub-interval for t < t_tilde, and t itself from t_tilde on. It takes and gives a
    float or a tensor of any shape; t may be fractional.
    """
    width = t_tilde / n

    def condition(t: Time) -> Time:
        if isinstance(t, torch.Tensor):
            return torch.where(t < t_tilde, torch.div(t, width, rounding_mode="floor") * width, t)
        return t // width * width if t < t_tilde else t

    return condition


def make_condition(method: dict[str, Any]) -> Condition:
    """The condition of a method's specification: shared for `etsdm`, identity for the rest."""
    if method["name"] == "etsdm":
        return shared(method["t_tilde"], method["n"])
    return identity
