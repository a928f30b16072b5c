"""From a YAML file to a checked configuration, or to one line for each thing wrong with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from etsdm.config.bases import Layer, file_of, read_layers, resolved
from etsdm.config.checking import checked
from etsdm.errors import UserError
from etsdm.experiments.defaults import Defaults
from etsdm.plan.benchmark import Benchmark
from etsdm.solvers import OneSolver, Solver


def parse_solver(values: dict[str, Any]) -> Solver:
    """Check one solver's settings.

    Raises:
        UserError: one line for each thing wrong.
    """
    return checked(TypeAdapter(OneSolver), values, "solver")


def parse_config(values: Any, file: str, layers: Sequence[Layer] = ()) -> Benchmark:
    """Check plain values against the models.

    Args:
        values: what the YAML file holds.
        file: its name, for messages.
        layers: the files that the values come from, if they are known. A message names the one with the mistake.

    Raises:
        UserError: one line for each thing wrong: file, key, value and what is allowed.
    """
    if not isinstance(values, dict):
        raise UserError(f"{file}: a configuration is a mapping of keys, not {type(values).__name__}")
    source = (lambda location: file_of(layers, values, location)) if layers else file
    return checked(TypeAdapter(Benchmark), values, source, Defaults.model_fields)


def load_config(path: Path) -> Benchmark:
    """Read and check the configuration at `path`, with what it builds on.

    Raises:
        UserError: `read_yaml` refuses a file, a base is missing, or it is not a valid configuration.
    """
    layers = read_layers(path)
    return parse_config(resolved(layers), str(path), layers)


def as_yaml(config: Benchmark) -> str:
    """A resolved configuration as YAML, from which `parse_config` gives it again. What is null is left out."""
    values = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
