"""The configuration that a workflow runs: what Snakemake has merged, and what its files build on."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from etsdm.config.bases import layers_of, merged, resolved
from etsdm.config.yaml_file import Loader, read_yaml

COMMAND_LINE = Path("--config")
"""What a base that `--config` names is relative to: the working directory."""


def given_to_snakemake(config: dict[str, Any], files: Iterable[Path], options: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved configuration behind Snakemake's `config`, whose values count.

    Snakemake knows nothing of `base`. So the files are merged again, each with what it builds on, then `--config`, then
    what a Snakefile has changed in `config`.

    Args:
        config: the values of all files and of `--config`, merged by Snakemake.
        files: the configuration files, in the order in which they are merged.
        options: the values of `--config`. Within mappings and lists, Snakemake hands over numbers as text.

    Raises:
        UserError: `read_yaml` refuses a file, or a base is missing or wrong.
    """
    from snakemake.utils import update_config  # which jobs do without

    values: dict[str, Any] = {}
    merged_by_snakemake: dict[str, Any] = {}
    for file in map(Path, files):
        read = read_yaml(file)
        values = merged(values, resolved(layers_of(read, file)))
        update_config(merged_by_snakemake, copy.deepcopy(read))
    update_config(merged_by_snakemake, copy.deepcopy(dict(options)))
    command_line = {key: _numbers(value) if isinstance(value, dict | list) else value for key, value in options.items()}
    values = merged(values, resolved(layers_of(command_line, COMMAND_LINE)))
    return merged(values, _changes(config, merged_by_snakemake))


def _changes(config: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """What differs in `config` from the known values."""
    changed = {key: value for key, value in config.items() if key not in known or value != known[key]}
    mappings = {key for key, value in changed.items() if isinstance(value, dict) and isinstance(known.get(key), dict)}
    return {key: _changes(value, known[key]) if key in mappings else value for key, value in changed.items()}


def _numbers(value: Any) -> Any:
    """The same with each text that is a number in YAML as that number."""
    if isinstance(value, dict):
        return {key: _numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbers(part) for part in value]
    if not isinstance(value, str):
        return value
    try:
        read = yaml.load(value, Loader)
    except yaml.YAMLError:
        return value
    return read if isinstance(read, int | float | None) else value
