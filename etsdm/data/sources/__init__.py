"""Where images come from. One module a kind of source, imported only when that kind is used.

Every module has `inspect(name, spec)`, which is quick and runs before any job: it gives the values of a
`Found`, and refuses a source that is not there; and `load(spec)`, which opens the source.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from etsdm.errors import UserError

if TYPE_CHECKING:
    from etsdm.data.source import Found, Source

Spec = dict[str, Any]


def module(spec: Spec) -> str:
    """Full name of the module for the source that a data set's specification names."""
    kind = spec["bundle"] if spec["source"] == "bundled" else spec["source"]
    return f"{__name__}.{kind.replace('-', '_')}"


def expanded(path: str) -> str:
    """A path with `~` and variables such as `$SCRATCH` replaced, unless there is something of just that name."""
    # Path's own raise where a user or a name cannot be.
    return path if os.path.exists(path) else os.path.expanduser(os.path.expandvars(path))  # noqa: PTH110, PTH111


def _read(spec: Spec) -> Spec:
    """The specification as it is read; what is written down keeps the path as it was given."""
    return spec | {"path": expanded(spec["path"])} if "path" in spec else spec


def load_source(spec: Spec) -> Source:
    """Open the source that a data set's specification names.

    Raises:
        UserError: while the images are read: a corrupt one, or one of another size.
    """
    source: Source = importlib.import_module(module(spec)).load(_read(spec))
    return source


def check_source(name: str, spec: Spec, at_least: int = 1, encoder: str | None = None) -> Found:
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
    return check_found(name, spec, inspect_source(name, spec), at_least, encoder)


def inspect_source(name: str, spec: Spec) -> Found:
    """What is found in a source, without reading pixels; see `check_source`."""
    from etsdm.data.source import Found  # it loads Pillow, which a plan alone does not need

    return Found(*importlib.import_module(module(spec)).inspect(name, _read(spec)))


def check_found(name: str, spec: Spec, found: Found, at_least: int, encoder: str | None) -> Found:
    """Refuse what is found where it is too little; see `check_source`."""
    if encoder and not found.labelled:
        raise UserError(
            f"datasets.{name}.path: no labels in {spec['path']!r}, and the encoder {encoder!r} needs them; put "
            "every image into the sub-folder of its class, two classes at least and no image beside them, or use an "
            "encoder that needs none, such as 'inception'"
        )
    if found.images < at_least:
        raise UserError(
            f"datasets.{name}: {found.images} images are too few; the metrics in evaluation need at least {at_least} "
            "(a Frechet distance needs more images than features: ask for distances: [kernel], or add images)"
        )
    return found


def fingerprint(spec: Spec) -> str | None:
    """What tells that a source outside the installed packages has changed, without reading it.

    None for a bundle, and for a source that is not there.
    """
    if spec["source"] == "bundled":
        return None
    found: str | None = importlib.import_module(module(spec)).fingerprint(_read(spec))
    return found
