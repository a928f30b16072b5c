"""Plain values against settings: one line for each thing wrong."""

import re
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from etsdm.config.bases import Location
from etsdm.config.registry import MISSING, UNKNOWN
from etsdm.config.strict import allowed_instead, brief, short
from etsdm.errors import UserError

ONE, SEVERAL = "one grid", "several grids"
"""Steps in the location of a mistake that are no keys."""
Model = TypeVar("Model")
MOST_TOLD = 20
"""Lines of mistakes in one configuration."""
EXPERIMENT = re.compile(r"experiments\.[a-z-]+(?:\[\d+\])?\.")


def _blocks(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks that may stand at a node of a JSON schema."""
    if "$ref" in node:
        return _blocks(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    options = node.get("anyOf", node.get("oneOf"))
    return [block for option in options for block in _blocks(option, schema)] if options else [node]


def _step(block: dict[str, Any], step: int | str) -> list[dict[str, Any]]:
    """Where a step of a location leads from a block: to an item, a key, or any key."""
    if isinstance(step, int):
        return [block["items"]] if "items" in block else []
    properties = block.get("properties", {})
    if step in properties:
        return [properties[step]]
    return [*block.get("patternProperties", {}).values()]


def _fits(block: dict[str, Any], value: Any) -> bool:
    """Whether a value has one of the choices that a block allows, wherever it allows choices."""
    properties = block.get("properties", {}) if isinstance(value, dict) else {}
    choices = {key: node.get("enum", [node.get("const")]) for key, node in properties.items() if key in value}
    return all(value[key] in allowed for key, allowed in choices.items() if allowed != [None])


def _allowed_keys(location: Location, schema: dict[str, Any], value: Any) -> list[str]:
    """Keys of the block in which an unknown key was found, by walking the generated schema beside the value."""
    blocks = _blocks(schema, schema)
    for step in [step for step in location[:-1] if step not in (ONE, SEVERAL)]:
        blocks = [inner for block in blocks for node in _step(block, step) for inner in _blocks(node, schema)]
        inside = isinstance(value, list) or (isinstance(value, dict) and step in value)
        value = value[step] if inside else value
        blocks = [block for block in blocks if _fits(block, value)] or blocks
    return list(dict.fromkeys(key for block in blocks for key in block.get("properties", {})))


def _key(location: Location) -> str:
    key = ""
    for step in location:
        if step in (ONE, SEVERAL):
            continue
        if isinstance(step, int):
            key += f"[{step}]"
        else:
            key += f".{short(step)}" if key else short(step)
    return key


def _within(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _message(error: Any, schema: Callable[[], dict[str, Any]], values: Any, shared_keys: Collection[str]) -> str:
    location, kind, value = error["loc"], error["type"], error["input"]
    key = _key(location)
    if kind == "extra_forbidden":
        return f"{key}: unknown key; " + allowed_instead(short(location[-1]), _allowed_keys(location, schema(), values))
    if kind == "union_tag_invalid":
        expected = [tag.strip().strip("'") for tag in error["ctx"]["expected_tags"].split(",")]
        field = error["ctx"]["discriminator"].strip("'")
        tag = short(error["ctx"]["tag"])
        return f"{_within(key, field)}: unknown {tag!r}; " + allowed_instead(tag, expected)
    if kind == "union_tag_not_found":
        return f"{_within(key, error['ctx']['discriminator'].strip(chr(39)))}: missing; it must be given"
    if kind == "literal_error" and isinstance(value, str):
        expected = [tag.strip().strip("'") for tag in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{key}: unknown {short(value)!r}; " + allowed_instead(short(value), expected)
    if kind in (UNKNOWN, MISSING) and "key" in error["ctx"]:
        return _within(key, error["msg"])
    if kind == UNKNOWN:
        return f"{key}: {error['msg']}"
    if kind == "missing":
        shared = location[0] == "experiments" and location[-1] in shared_keys
        return f"{key}: missing; it must be given" + (", here or in experiments.defaults" if shared else "")
    if kind == "value_error":
        return f"{key}: {error['ctx']['error']}" if key else str(error["ctx"]["error"])
    return f"{key}: {error['msg'][0].lower()}{error['msg'][1:]}, not {brief(value)}"


def _listed(problems: list[tuple[str, str]]) -> list[str]:
    """The problems, the first `MOST_TOLD`; what several experiments share, by an alias perhaps, is told once.

    Args:
        problems: of each the file in which it stands, and the rest of the message.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for source, problem in problems:
        experiment = EXPERIMENT.match(problem)
        rest = problem[experiment.end() :] if experiment else problem
        places.setdefault((source, rest), []).append(experiment[0] if experiment else "")
    lines = [
        f"{source}: {first}{problem}" + (f"; the same in {', '.join(place[:-1] for place in others)}" if others else "")
        for (source, problem), (first, *others) in places.items()
    ]
    more = len(lines) - MOST_TOLD
    return lines[:MOST_TOLD] + ([f"{problems[0][0]}: and {more:,} more mistakes"] if more > 0 else [])


def checked(
    adapter: TypeAdapter[Model],
    values: Any,
    source: str | Callable[[Location], str],
    shared_keys: Collection[str] = (),
) -> Model:
    """Check plain values.

    Args:
        adapter: of the settings that they must be.
        values: plain data.
        source: begins each line of a message; a function gives it from the place of the mistake.
        shared_keys: what `experiments.defaults` can give instead.

    Raises:
        UserError: one line for each thing wrong: source, key, value and what is allowed.
    """
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        schema = cache(adapter.json_schema)  # a quarter of a second, so once for all mistakes
        problems = [
            (
                source if isinstance(source, str) else source(problem["loc"]),
                _message(problem, schema, values, shared_keys),
            )
            for problem in error.errors(include_url=False)
        ]
        raise UserError("\n".join(_listed(problems))) from None
