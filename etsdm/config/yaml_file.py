"""YAML files as configurations need them: read without running anything, and refused where they mislead."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from etsdm.config.strict import brief
from etsdm.errors import UserError

YTE = "__use_yte__"
"""The key with which Snakemake runs Python expressions that stand in a file."""
MOST_VALUES = 20_000
"""Keys and values of a file, counted as often as aliases repeat them."""
LONGEST_NUMBER = 100
"""Characters of a number."""


class Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, aliases that multiply, and numbers that look like others."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and (size := _size(node, {})) > MOST_VALUES:
            raise yaml.MarkedYAMLError(None, None, f"its aliases unfold to {size:.3g} values", node.start_mark)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, AttributeError, LookupError) as error:  # as of a 13th month
            wrong = f"{brief(node.value)} is no {node.tag.rpartition(':')[2]}: {error}"
            raise yaml.MarkedYAMLError(None, None, wrong, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<")
        for key, count in keys.items():
            if count > 1:
                raise yaml.MarkedYAMLError(None, None, f"the key {brief(key)} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def number(self, node: yaml.ScalarNode) -> Any:
        """A number, unless it is one that people read otherwise, or absurdly long."""
        text = node.value
        if len(text) > LONGEST_NUMBER:
            raise yaml.MarkedYAMLError(None, None, f"a number of {len(text):,} characters", node.start_mark)
        integer = node.tag.endswith(":int")
        value = self.construct_yaml_int(node) if integer else self.construct_yaml_float(node)
        digits = text.lstrip("+-").replace("_", "")
        if ":" in text or (integer and len(digits) > 1 and digits[0] == "0" and digits.isdigit()):
            raise yaml.MarkedYAMLError(
                None, None, f"{text} is {value} in YAML: write {value}, or what was meant, in decimals", node.start_mark
            )
        return value


for _tag in ("int", "float"):
    Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", Loader.number)


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Keys and values of a node, those behind aliases counted each time."""
    if id(node) not in sizes:
        sizes[id(node)] = 0  # of a node within itself, which has no end
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        inside = [part for item in parts for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in inside)
    if not sizes[id(node)]:
        raise yaml.MarkedYAMLError(None, None, "an alias stands within what it repeats", node.start_mark)
    return sizes[id(node)]


def read_yaml(path: Path) -> Any:
    """The plain values in the file at `path`.

    Raises:
        UserError: the file is missing, is not YAML, has a key twice or a number that misleads, unfolds to too much, or
            asks Snakemake to run Python that stands in it.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see config/ for examples") from None
    except RecursionError:
        raise UserError(f"{path}: not valid YAML: nested too deeply") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if isinstance(values, dict) and YTE in values:
        raise UserError(f"{path}: refused: {YTE} lets Snakemake run Python that stands in the file; remove it")
    return values
