"""Configurations that build on another one: `base: other.yaml`.

The base's values hold where the configuration gives none. Mappings are merged key by key, lists are replaced. The name
is not taken over: each benchmark has a report of its own.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etsdm.config.strict import brief
from etsdm.config.yaml_file import read_yaml
from etsdm.errors import UserError

KINDS = ("preset", "registered", "source")
"""Keys that say what a block is: where one changes, nothing of the base's block is taken over."""

Location = tuple[int | str, ...]
"""Steps from the whole configuration to a value in it."""


class Layer(NamedTuple):
    """The values of one file."""

    file: str
    values: dict[str, Any]


def read_layers(file: Path) -> list[Layer]:
    """The configuration in a file, then its base, the base of that, and so on.

    Raises:
        UserError: see `layers_of`, or `read_yaml` refuses the file.
    """
    return layers_of(read_yaml(file), file)


def layers_of(values: Any, file: Path) -> list[Layer]:
    """The same of values that were read already.

    Args:
        values: what the file holds.
        file: where they come from. A base is relative to its folder.

    Raises:
        UserError: a base is missing, `read_yaml` refuses it, it leads back to a file before it, or something is no
            mapping.
    """
    layers, resolved = [_layer(values, file)], [file.resolve()]
    while (base := layers[-1].values.get("base")) is not None:
        source = f"{layers[-1].file}: base: "
        if not isinstance(base, str) or not base:
            raise UserError(f"{source}the path of one file is needed, relative to this one, not {brief(base)}")
        file = Path(os.path.normpath(file.parent / base))
        if file.resolve() in resolved:
            circle = " -> ".join(str(path) for path in [*(layer.file for layer in layers), file])
            raise UserError(f"{source}a circle: {circle}")
        if not file.is_file():
            raise UserError(f"{source}no file {str(file)!r}; the path is relative to this one")
        layers.append(_layer(read_yaml(file), file))
        resolved.append(file.resolve())
    return layers


def _layer(values: Any, file: Path) -> Layer:
    if not isinstance(values, dict):
        raise UserError(f"{file}: a configuration is a mapping of keys, not {type(values).__name__}")
    return Layer(str(file), values)


def resolved(layers: Sequence[Layer]) -> dict[str, Any]:
    """The values of a configuration and of all that it builds on, from `layers_of`."""
    own, *bases = layers
    values: dict[str, Any] = {}
    for layer in reversed(bases):
        values = merged(values, layer.values)
        values.pop("name", None)
    return {key: value for key, value in merged(values, own.values).items() if key != "base"}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One configuration over another one: its values count."""
    values: dict[str, Any] = _merged(_spelled_out(below), _spelled_out(above))
    return values


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)) or _is_another(below, above):
        return above
    return below | {key: _merged(below.get(key), value) for key, value in above.items()}


def _is_another(below: dict[str, Any], above: dict[str, Any]) -> bool:
    """Whether a block says that it is something else than the one below."""
    return any(isinstance(above.get(key), str) and above[key] != below.get(key) for key in KINDS)


def _spelled_out(values: dict[str, Any]) -> dict[str, Any]:
    """The same, with each block that is only a name written as a block, which can be merged."""
    blocks: dict[str, Any] = {key: _block(values[key], "preset") for key in ("network", "training") if key in values}
    datasets = values.get("datasets")
    if isinstance(datasets, dict):
        blocks["datasets"] = {name: _block(settings, "registered") for name, settings in datasets.items()}
    return values | blocks


def _block(value: Any, key: str) -> Any:
    return {key: value} if isinstance(value, str) else value


def file_of(layers: Sequence[Layer], values: Any, location: Location) -> str:
    """The file in which a value stands: the one that goes furthest on the way to it.

    Args:
        layers: the files, from `layers_of`.
        values: the resolved configuration.
        location: where the value is in it.
    """
    way = []
    for step in location:  # a list comes from one file as a whole
        if isinstance(values, dict) and step in values:
            way.append(step)
            values = values[step]
    return max(layers, key=lambda layer: _steps(layer.values, way)).file


def _steps(values: Any, way: list[int | str]) -> int:
    """How many steps of a way a file's values go."""
    for number, step in enumerate(way):
        if not isinstance(values, dict) or step not in values:
            return number
        values = values[step]
    return len(way)
