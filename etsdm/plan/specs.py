"""The specifications of runs, `spec.json`, as a person may write one: checked like a configuration.

`etsdm.plan.plan` writes them whole. Where one lacks a setting that has a default, the default is filled in.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError, WrapValidator

from etsdm.config.network import Network
from etsdm.config.strict import MOST_STEPS, Count, Name, Strict
from etsdm.config.training import Training
from etsdm.data.sources import Dataset
from etsdm.data.sources.source import Resize, Split
from etsdm.diffusion.methods import OneMethod
from etsdm.diffusion.settings import Diffusion
from etsdm.errors import UserError
from etsdm.experiments.theory import Theory
from etsdm.metrics.encoders import OneEncoder
from etsdm.metrics.evaluation import Precision
from etsdm.plan.reading import checked
from etsdm.probes import OneProbe
from etsdm.solvers import OneSolver, Solver

Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _with_name(value: Any, check: Callable[[Any], BaseModel]) -> dict[str, Any]:
    """A data set's settings and its name, which stands outside of them in a configuration."""
    if not isinstance(value, dict):
        raise ValueError("a mapping of keys is needed")
    try:
        name = TypeAdapter(Name).validate_python(value.get("name"))
    except ValidationError:
        raise ValueError("name: missing, or not one of lower-case letters, digits, dots and dashes") from None
    return {"name": name, **check({key: part for key, part in value.items() if key != "name"}).model_dump()}


def _with_one_budget(solver: Solver) -> Solver:
    """The solver of a run, which has one budget."""
    if len(solver.nfe) > 1:
        raise ValueError(f"nfe: one number is needed, not {solver.nfe}")
    return solver


Data = Annotated[Dataset, WrapValidator(_with_name)]
OneRun = Annotated[OneSolver, AfterValidator(_with_one_budget)]


class Generation(Strict):
    """Images from noise."""

    name: Literal["generation"]


class SuperResolutionTask(Strict):
    """Images from small ones."""

    name: Literal["super-resolution"]
    factor: int = Field(ge=2, le=1024)


class SnapshotOf(Strict):
    """Which snapshot of a training."""

    images: Count
    ema_half_life: Count


class Images(Strict):
    """Prepared images, wherever they come from; what else their data set says of them is in their path."""

    name: Name
    resolution: Count
    channels: Literal[1, 3]
    split: Split | None = None
    resize: Resize | None = None
    skip_damaged: int | None = None


class ModelSpec(Strict):
    """A training."""

    task: Annotated[Generation | SuperResolutionTask, Field(discriminator="name")]
    dataset: Images
    diffusion: Diffusion
    method: OneMethod
    network: Network
    training: Training
    seed: Seed


class SnapshotSpec(ModelSpec):
    """A snapshot of a training as a model of its own."""

    snapshot: SnapshotOf


class SampleSpec(Strict):
    """A sample set."""

    samples: Count
    precision: Precision = "tf32"
    seed: Seed
    solver: OneRun


class RestorationSpec(Strict):
    """Restored images."""

    solver: OneRun
    test: Images
    seed: Seed


class TheorySpec(Theory):
    """The theory of one T."""

    timesteps: int = Field(ge=50, le=MOST_STEPS)


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
"""What each kind of specification shall be."""


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


def _filled(given: Any, found: Any) -> Any:
    """What is given, with what was found beside it; null is left out, but for data sets."""
    if isinstance(given, list) and isinstance(found, list | tuple):
        return [_filled(*pair) for pair in zip(given, found, strict=True)]
    if not isinstance(given, dict):
        return given
    if isinstance(found, dict):
        return found | given
    inside = {key: _filled(part, getattr(found, key, part)) for key, part in given.items()}
    return found.model_dump(mode="json", exclude_none=True, exclude=set(given)) | inside
