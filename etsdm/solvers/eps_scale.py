"""Epsilon scaling (Ning, Li, Su, Salah & Ertugrul 2024, arXiv 2308.15321): predicted noise is too large in sampling."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from etsdm.config.strict import Positive, Real, Strict
from etsdm.diffusion.schedules import Array


class Scale(Strict):
    """What the predicted noise is divided by, lambda(t) = k t + b; a number alone stands for b with k = 0."""

    k: Real = Field(0.0, ge=0)
    """Rise of lambda a step of T. In the authors' code a step is one of sampling, so their k is this times T / nfe."""
    b: Positive
    """lambda at t = 0. With k = 0, their uniform version, it is 1.004 to 1.017 in their examples of 100 steps."""


def divisor(t: Array, scale: Scale) -> Array:
    """lambda(t) = k t + b, which the predicted noise is divided by, like t (Ning et al. 2024, arXiv 2308.15321)."""
    return scale.k * t + scale.b


def _scale(value: Any) -> Any:
    return {"b": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


EpsScale = Annotated[Scale, BeforeValidator(_scale, json_schema_input_type=Positive | Scale)]
