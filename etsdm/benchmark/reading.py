"""From a YAML file to a checked configuration, or to one line for each thing wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from etsdm.benchmark.config import Benchmark
from etsdm.benchmark.experiments import ONE, SEVERAL
from etsdm.benchmark.solvers import Solver, SolverName
from etsdm.benchmark.strict import allowed_instead
from etsdm.diffusion import methods
from etsdm.errors import UserError

Model = TypeVar("Model")
SOURCES = {"bundled", "digits", "photos", "mnist", "folder", "zip", "lmdb", "npz", "cifar10", "fashion-mnist"}
TAGS = {*methods.MODULES, *get_args(SolverName), *SOURCES, "classifier", "inception"}
"""Names that tell which kind of block a value is: part of a location, but no key."""
FIXED = 2
"""The first steps of a location are keys, whatever they are called: a data set may be named like a kind of source."""


def _blocks(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks that may stand at a node of a JSON schema."""
    if "$ref" in node:
        return _blocks(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    options = node.get("anyOf", node.get("oneOf"))
    return [block for option in options for block in _blocks(option, schema)] if options else [node]


def _step(block: dict[str, Any], step: int | str) -> list[dict[str, Any]]:
    """Where a step of a location leads from a block: to an item, a key, any key, or the same block by its tag."""
    if isinstance(step, int):
        return [block["items"]] if "items" in block else []
    properties = block.get("properties", {})
    if step in properties:
        return [properties[step]]
    if any(value.get("const") == step or step in value.get("enum", ()) for value in properties.values()):
        return [block]
    return [*block.get("patternProperties", {}).values()]


def _allowed_keys(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Keys of the block in which an unknown key was found, by walking the generated schema."""
    schema = root.model_json_schema()
    blocks = [schema]
    for step in [step for step in location[:-1] if step not in (ONE, SEVERAL)]:
        blocks = [found for block in blocks for node in _step(block, step) for found in _blocks(node, schema)]
    return list(dict.fromkeys(key for block in blocks for key in block.get("properties", {})))


def _key(location: tuple[int | str, ...]) -> str:
    key = ""
    for place, step in enumerate(location):
        if step in (ONE, SEVERAL):
            continue
        if isinstance(step, int):
            key += f"[{step}]"
        elif place < FIXED or step not in TAGS:
            key += f".{step}" if key else step
    return key


def _message(error: Any) -> str:
    location, kind, value = error["loc"], error["type"], error["input"]
    key = _key(location)
    if kind == "extra_forbidden":
        return f"{key}: unknown key; " + allowed_instead(str(location[-1]), _allowed_keys(location, Benchmark))
    if kind == "union_tag_invalid":
        expected = [tag.strip().strip("'") for tag in error["ctx"]["expected_tags"].split(",")]
        field = error["ctx"]["discriminator"].strip("'")
        tag = str(error["ctx"]["tag"])
        return f"{key}.{field}: unknown {tag!r}; " + allowed_instead(tag, expected)
    if kind == "union_tag_not_found":
        return f"{key}.{error['ctx']['discriminator'].strip(chr(39))}: missing; it must be given"
    if kind == "literal_error" and isinstance(value, str):
        expected = [tag.strip().strip("'") for tag in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{key}: unknown {value!r}; " + allowed_instead(value, expected)
    if kind == "missing":
        return f"{key}: missing; it must be given"
    if kind == "value_error":
        return f"{key}: {error['ctx']['error']}" if key else str(error["ctx"]["error"])
    return f"{key}: {error['msg'][0].lower()}{error['msg'][1:]}, not {value!r}"


def _checked(validate: Callable[[Any], Model], values: Any, source: str) -> Model:
    try:
        return validate(values)
    except ValidationError as error:
        lines = [f"{source}: {_message(problem)}" for problem in error.errors(include_url=False)]
        raise UserError("\n".join(lines)) from None


def parse_solver(values: dict[str, Any]) -> Solver:
    """Check one solver's settings.

    Raises:
        UserError: one line for each thing wrong.
    """
    return _checked(TypeAdapter(Solver).validate_python, values, "solver")


def parse_config(values: Any, file: str) -> Benchmark:
    """Check plain values against the models.

    Args:
        values: what the YAML file holds.
        file: its name, for messages.

    Raises:
        UserError: one line for each thing wrong: file, key, value and what is allowed.
    """
    if not isinstance(values, dict):
        raise UserError(f"{file}: a configuration is a mapping of keys, not {type(values).__name__}")
    return _checked(Benchmark.model_validate, values, file)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_config(path: Path) -> Benchmark:
    """Read and check the configuration at `path`.

    Raises:
        UserError: the file is missing, not YAML, or not a valid configuration.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see config/ for examples") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    return parse_config(values, str(path))
