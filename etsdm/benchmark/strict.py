"""What every block of the configuration is made of: no unknown keys, no silent conversion."""

import difflib
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is needed, not {value}")
    return value


def distinct(values: list[Any]) -> list[Any]:
    """The same list; ValueError if it holds anything twice."""
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{getattr(twice[0], 'name', twice[0])} is given twice")
    return values


def named(value: Any) -> Any:
    """A name alone stands for a block with that name and nothing else."""
    return {"name": value} if isinstance(value, str) else value


def allowed_instead(value: str, allowed: list[str]) -> str:
    """What may stand where `value` does, and the nearest to it."""
    near = difflib.get_close_matches(value, allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"allowed: {', '.join(allowed)}{hint}"


Real = Annotated[float, BeforeValidator(_no_flag), Field(strict=False, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=False, allow_inf_nan=False, gt=0), BeforeValidator(_no_flag)]
Rate = Annotated[float, Field(strict=False, allow_inf_nan=False, ge=0, lt=1), BeforeValidator(_no_flag)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
Count = Annotated[int, Field(ge=1)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(distinct)]
Names = Annotated[list[str], Field(min_length=1), AfterValidator(distinct)]


class Strict(BaseModel):
    """A block of the configuration: no unknown keys, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )
