"""Which tables and figures a report has: known from the configuration alone, before anything runs."""

from typing import Any

SAMPLED = ("datasets", "fast-sampling")
"""Experiments that end in a distance between images."""


def experiments(inventory: dict[str, Any]) -> list[str]:
    """Names of the experiments the configuration asks for, in the order of the report."""
    blocks = inventory["config"]["experiments"]
    return [name for name in ("lipschitz", *SAMPLED) if blocks.get(name)]


def table_names(inventory: dict[str, Any]) -> list[str]:
    """Tables of the report: `tables/<name>.{csv,md,tex}`."""
    return [*experiments(inventory), "costs"]


def figure_names(inventory: dict[str, Any]) -> list[str]:
    """Figures of the report: `figures/<name>.{png,svg}`."""
    asked = experiments(inventory)
    wanted = {
        "lipschitz": "lipschitz" in asked,
        "methods": "datasets" in asked,
        "distance-by-nfe": "fast-sampling" in asked,
        "samples": any(name in asked for name in SAMPLED),
        "losses": True,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]
