"""The specifications of runs, `spec.json`, as a person may write one: checked like a configuration.

`etsdm.plan.plan` writes them whole. Where one lacks a setting that has a default, the default is filled in.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError, WrapValidator

from etsdm.config.checking import checked
from etsdm.config.strict import Name
from etsdm.data.sources import Dataset
from etsdm.errors import UserError
from etsdm.metrics.encoders import OneEncoder
from etsdm.models.spec import ModelSpec, SnapshotOf
from etsdm.probes import OneProbe
from etsdm.probes.theory import TheorySpec
from etsdm.sampling.spec import RestorationSpec, SampleSpec


def _with_name(value: Any, check: Callable[[Any], BaseModel]) -> dict[str, Any]:
    """A data set's settings and its name, which stands outside of them in a configuration."""
    if not isinstance(value, dict):
        raise ValueError("a mapping of keys is needed")
    try:
        name = TypeAdapter(Name).validate_python(value.get("name"))
    except ValidationError:
        raise ValueError("name: missing, or not one of lower-case letters, digits, dots and dashes") from None
    return {"name": name, **check({key: part for key, part in value.items() if key != "name"}).model_dump()}


Data = Annotated[Dataset, WrapValidator(_with_name)]


class SnapshotSpec(ModelSpec):
    """A snapshot of a training as a model of its own."""

    snapshot: SnapshotOf


KINDS: dict[str, TypeAdapter[Any]] = {
    "data": TypeAdapter(Data),
    "encoder": TypeAdapter(OneEncoder),
    "model": TypeAdapter(ModelSpec),
    "snapshot": TypeAdapter(SnapshotSpec),
    "sample": TypeAdapter(SampleSpec),
    "restoration": TypeAdapter(RestorationSpec),
    "probe": TypeAdapter(OneProbe),
    "theory": TypeAdapter(TheorySpec),
}
"""The settings of each kind of specification."""


def read_spec(path: Path, kind: str) -> dict[str, Any]:
    """The specification in the file at `path`, with defaults for what it lacks.

    Args:
        path: a `spec.json`.
        kind: a key of `KINDS`.

    Raises:
        UserError: the file is no JSON, or one line for each key that is missing, unknown or wrong.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    filled: dict[str, Any] = _filled(values, checked(KINDS[kind], values, str(path)))
    return filled


def _filled(values: Any, model: Any) -> Any:
    """The values, completed by those of their model; null is left out, but for data sets."""
    if isinstance(values, list) and isinstance(model, list | tuple):
        return [_filled(*pair) for pair in zip(values, model, strict=True)]
    if not isinstance(values, dict):
        return values
    if isinstance(model, dict):
        return model | values
    inside = {key: _filled(part, getattr(model, key, part)) for key, part in values.items()}
    return model.model_dump(mode="json", exclude_none=True, exclude=set(values)) | inside
