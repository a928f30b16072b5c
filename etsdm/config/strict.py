"""What every block of the configuration is made of: no unknown keys, no silent conversion."""

import difflib
import reprlib
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MOST = 10**12
"""Of whatever is counted: far beyond all use, and no number that breaks arithmetic."""
MOST_STEPS = 100_000
"""Timesteps, and evaluations of a network."""
LONGEST = 80
"""Characters of a value in a message."""
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = LONGEST


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is needed, not {value}")
    return value


def distinct(values: list[Any]) -> list[Any]:
    """The same list; ValueError if it holds anything twice."""
    met: set[str] = set()
    for value in values:
        if repr(value) in met:
            raise ValueError(f"{getattr(value, 'name', value)} is given twice")
        met.add(repr(value))
    return values


def short(value: Any) -> str:
    """The text of a value for a message, cut where it is long."""
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def brief(value: Any) -> str:
    """The same of its Python form; a large collection is not even written out."""
    return short(_REPR.repr(value))


def as_block(value: Any) -> Any:
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
Count = Annotated[int, Field(ge=1, le=MOST)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(distinct)]
Steps = Annotated[list[Annotated[int, Field(ge=1, le=MOST_STEPS)]], Field(min_length=1), AfterValidator(distinct)]
Names = Annotated[list[str], Field(min_length=1), AfterValidator(distinct)]


class Strict(BaseModel):
    """A block of the configuration: no unknown keys, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )
