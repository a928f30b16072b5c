"""The JSON schema of configurations, for editors: generated from the models, with each block that repeats once."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from etsdm.config.presets import OfPreset, names
from etsdm.data.registered import registry
from etsdm.plan.benchmark import Benchmark

Node = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SAID = ("title", "description", "default")
"""What a schema says of a key besides its type."""
SHORT = 100
"""Characters of a type that is written out wherever it occurs."""


def json_schema() -> Node:
    """The JSON schema of a configuration.

    It allows more than `etsdm check`: a key may come from a base, a preset or the experiments' defaults, so outside of
    lists only the name is required.
    """
    schema = Benchmark.model_json_schema()
    definitions: Node = {}
    for name, block in schema.pop("$defs", {}).items():
        definitions[name] = _inside(block, definitions)
    whole: Node = {key: _hoisted(value, definitions) for key, value in schema.items()}
    _allow_names(whole)
    for block in definitions.values():
        if "name" not in block.get("required", ()):  # a thing in a list
            block.pop("required", None)
    whole |= {"required": ["name"], "$defs": definitions}
    _share(whole)
    return {"$schema": DIALECT} | whole | {"$defs": dict(sorted(definitions.items()))}


def _hoisted(node: Any, definitions: Node) -> Any:
    """A node with each block inside moved to the definitions, under its title, and a reference in its place."""
    if isinstance(node, list):
        return [_hoisted(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    node = _inside(node, definitions)
    if "properties" not in node or "title" not in node:
        return node
    definitions[node["title"]] = node
    return {"$ref": f"#/$defs/{node['title']}"}


def _inside(node: Node, definitions: Node) -> Node:
    return {key: _hoisted(value, definitions) for key, value in node.items()}


def _allow_names(whole: Node) -> None:
    """Let the name of a preset, or of a registered data set, stand for its block."""
    for key, field in Benchmark.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, OfPreset):
            node = whole["properties"][key]
            node["anyOf"] = [{"$ref": node.pop("$ref")}, {"enum": names(field.annotation.block), "type": "string"}]
    (dataset,) = whole["properties"]["datasets"]["patternProperties"].values()
    dataset["anyOf"].append({"enum": [*registry()], "type": "string"})


def _keys(whole: Node) -> Iterator[tuple[str, Node]]:
    """Every key of every block, and its node; of one that may be null also the node of what else it may be."""
    for block in (whole, *whole["$defs"].values()):
        for key, node in block.get("properties", {}).items():
            yield key, node
            if {"type": "null"} in node.get("anyOf", ()):
                yield from ((key, option) for option in node["anyOf"] if option != {"type": "null"})


def _share(whole: Node) -> None:
    """Move each long type that several keys have to the definitions, under the name of the key."""
    types = {id(node): {key: value for key, value in node.items() if key not in SAID} for _, node in _keys(whole)}
    texts = {place: json.dumps(kind, sort_keys=True) for place, kind in types.items()}
    counts, shared = Counter(texts.values()), dict[str, str]()
    for key, node in [*_keys(whole)]:
        node.pop("title", None)
        text = texts[id(node)]
        if len(text) <= SHORT or counts[text] == 1:
            continue
        if text not in shared:
            name = f"{key}-or-null" if {"type": "null"} in node.get("anyOf", ()) else key
            shared[text] = name if name not in whole["$defs"] else f"{name}-{len(shared)}"
            whole["$defs"][shared[text]] = types[id(node)]
        for part in types[id(node)]:
            del node[part]
        node["$ref"] = f"#/$defs/{shared[text]}"
