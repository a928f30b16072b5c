"""Where images come from, one file a kind of source with its settings and limits.

Each file has a class of settings, derived from `Source`, and these functions:

- `inspect(name, spec)` gives the values of an `Overview`, and refuses a source that is not there. It is quick and runs
  before any job.
- `load(spec)` opens the source.
- `fingerprint(spec)`, only where the images lie outside of installed packages: what tells that they have changed.

Nothing here imports Pillow when it is loaded: a plan reads the settings.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, get_args

from pydantic_core import PydanticCustomError

from etsdm.config.registry import MISSING, UNKNOWN, OneOf, Registry, unknown
from etsdm.data.originals import Originals, Overview
from etsdm.data.sources.source import Source
from etsdm.errors import UserError

Spec = dict[str, Any]
BUNDLED = "bundled"
"""The `source` of all bundles, which `bundle` tells apart."""


class Sources(Registry[Source]):
    """The kinds of sources, by the setting `bundle`, or, where there is none, by `source`."""

    def _names(self, thing: Any) -> tuple[str, ...]:
        key = "bundle" if "bundle" in thing.model_fields else self.key
        field = thing.model_fields.get(key)
        return get_args(field.annotation) if field else ()


SOURCES = Sources("etsdm.data.sources", "source", Source, "source")


class OneSource(OneOf):
    """Marks a value as the settings of a data set: `source` names its kind, and `bundle` that of a bundle."""

    def _validate(self, value: Any) -> Any:
        if isinstance(value, Source):
            return value
        if not isinstance(value, dict):
            raise PydanticCustomError("mapping", "the name of a registered data set, or a mapping of keys, is needed")
        bundles = [name for name, thing in SOURCES.all().items() if "bundle" in thing.model_fields]
        others = [name for name in SOURCES.names() if name not in bundles]
        kind = _choice(value, "source", [BUNDLED, *others])
        return SOURCES[_choice(value, "bundle", bundles) if kind == BUNDLED else kind].model_validate(value)


def _choice(settings: Spec, key: str, names: list[str]) -> str:
    name = settings.get(key)
    if name is None:
        raise PydanticCustomError(MISSING, "{key}: missing; it must be given", {"key": key})
    if name not in names:
        raise PydanticCustomError(UNKNOWN, "{key}: unknown '{name}'; {known}", {"key": key} | unknown(name, names))
    return str(name)


Dataset = Annotated[Source, OneSource(SOURCES)]


def kind(spec: Spec) -> str:
    """The name of the source in a data set's specification."""
    name: str = spec["bundle"] if spec["source"] == BUNDLED else spec["source"]
    return name


def of(spec: Spec) -> type[Source]:
    """The settings of the source that a data set's specification names. Raises UserError if there is no such source."""
    return SOURCES[kind(spec)]


def module(spec: Spec) -> str:
    """Full name of the module for the source that a data set's specification names."""
    return SOURCES.module(kind(spec))


def expanded(path: str) -> str:
    """A path with `~` and variables such as `$SCRATCH` replaced, unless there is something of just that name."""
    # Path's own raise where a user or a name cannot be.
    return path if os.path.exists(path) else os.path.expanduser(os.path.expandvars(path))  # noqa: PTH110, PTH111


def _read(spec: Spec) -> Spec:
    """The specification as it is read; what is written down keeps the path as it was given."""
    return spec | {"path": expanded(spec["path"])} if "path" in spec else spec


def load_source(spec: Spec) -> Originals:
    """Open the source that a data set's specification names.

    Raises:
        UserError: while the images are read: a corrupt one, or one of another size.
    """
    source: Originals = SOURCES.load(kind(spec)).load(_read(spec))
    return source


def check_source(name: str, spec: Spec, at_least: int = 1, encoder: str | None = None) -> Overview:
    """What is found in a source; refuse a source that is missing, empty or too small, without reading pixels.

    Args:
        name: the data set's name in the configuration.
        spec: its entry there.
        at_least: fewest images the metrics need.
        encoder: name of an encoder that needs labels; None: there is none.

    Returns:
        The number of images, whether they have labels, and what a user should know.

    Raises:
        UserError: naming the data set, the place looked and what to do.
    """
    return check_overview(name, spec, inspect_source(name, spec), at_least, encoder)


def inspect_source(name: str, spec: Spec) -> Overview:
    """What is found in a source, without reading pixels; see `check_source`."""
    return Overview(*SOURCES.load(kind(spec)).inspect(name, _read(spec)))


def check_overview(name: str, spec: Spec, overview: Overview, at_least: int, encoder: str | None) -> Overview:
    """Refuse what is found where it is too little; see `check_source`."""
    if encoder and not overview.labelled:
        raise UserError(
            f"datasets.{name}.path: no labels in {spec['path']!r}, and the encoder {encoder!r} needs them; put "
            "every image into the sub-folder of its class, two classes at least and no image beside them, or use an "
            "encoder that needs none, such as 'inception'"
        )
    if overview.images < at_least:
        raise UserError(
            f"datasets.{name}: {overview.images} images are too few; the metrics in evaluation need at least "
            f"{at_least} (a Frechet distance needs more images than features: ask for distances: [kernel], "
            "or add images)"
        )
    return overview


def fingerprint(spec: Spec) -> str | None:
    """What tells that a source outside the installed packages has changed, without reading it.

    None for a bundle, and for a source that is not there.
    """
    if not of(spec).outside:
        return None
    digest: str | None = SOURCES.load(kind(spec)).fingerprint(_read(spec))
    return digest
