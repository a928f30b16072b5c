"""The data sets of `datasets.yaml`: how each is got, under which licence, and the settings that it has."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, TypeAdapter

from etsdm.config.strict import Name, Strict, allowed_instead
from etsdm.data.sources import Dataset, expanded

FILE = Path(__file__).with_name("datasets.yaml")
PART = {"split", "resolution", "resize"}
"""Settings that choose among the images of a data set, or their size."""


class File(Strict):
    """A file that can be downloaded, with the digest by which it is known."""

    url: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Entry(Strict):
    """A registered data set."""

    about: str
    images: int = Field(ge=1)
    """As its authors state."""
    licence: str
    get: str
    """How to get it, in a sentence."""
    settings: Dataset
    files: dict[str, File] = Field(default_factory=dict)
    """What `etsdm fetch` downloads, by path."""


@cache
def registry() -> dict[str, Entry]:
    """The registered data sets by name."""
    return TypeAdapter(dict[Name, Entry]).validate_python(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def resolved(value: Any) -> Any:
    """The settings of a data set: a name stands for the registered one, whose settings may be changed.

    Raises:
        ValueError: no data set of that name is registered.
    """
    values = {"registered": value} if isinstance(value, str) else value
    if not isinstance(values, dict) or not isinstance(values.get("registered"), str):
        return value
    name = values["registered"]
    if name not in registry():
        raise ValueError(f"no data set {name!r} in etsdm/data/{FILE.name}; {allowed_instead(name, [*registry()])}")
    return registry()[name].settings.model_dump() | values


def how_to_get(dataset: Dataset) -> str:
    """The rest of a message that a data set is not there; empty if it is not registered."""
    if dataset.registered is None:
        return ""
    entry = registry()[dataset.registered]
    return f"; how to get {dataset.registered} ({entry.images:,} images, licence: {entry.licence}): {entry.get}"


def licence_of(dataset: Dataset) -> str:
    """The licence of a data set: that of the registered one of its name, or of one that differs in `PART` alone."""
    entry = registry().get(dataset.registered or "")
    settings = dataset.model_dump(exclude=PART)
    alike = (candidate for candidate in registry().values() if candidate.settings.model_dump(exclude=PART) == settings)
    match = entry or next(alike, None)
    return match.licence if match else "not known here; ask who gave the images"


def files_of(dataset: Dataset) -> dict[Path, File]:
    """What can be downloaded of a data set, by where its settings look for it."""
    if dataset.registered is None:
        return {}
    entry = registry()[dataset.registered]
    usual, place = (getattr(settings, "path", "") for settings in (entry.settings, dataset))
    return {Path(expanded(place)) / Path(path).relative_to(usual): file for path, file in entry.files.items()}
