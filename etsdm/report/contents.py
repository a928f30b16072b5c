"""Which tables and figures a report has: known from the configuration alone, before anything runs."""

from pathlib import Path
from typing import Any

SAMPLED = ("datasets", "fast-sampling")
"""Experiments whose images are shown."""
MOSAIC = (2, 6)
"""Rows and columns of images a method and solver."""
FIGURES = {
    "fast-sampling": ("fast-sampling", "fast-sampling-changes"),
    "theory": ("theory-derivative", "theory-sharing"),
}
"""Figures of the experiments that have more than the one of their own name."""


def experiments(inventory: dict[str, Any]) -> list[str]:
    """Names of the experiments the configuration asks for, in the order of the report."""
    return [name for name, block in inventory["config"]["experiments"].items() if block]


def figures_of(experiment: str) -> tuple[str, ...]:
    """Figures of one experiment."""
    return FIGURES.get(experiment, (experiment,))


def table_names(inventory: dict[str, Any]) -> list[str]:
    """Tables of the report."""
    return [*experiments(inventory), "costs"]


def figure_names(inventory: dict[str, Any]) -> list[str]:
    """Figures of the report."""
    asked = experiments(inventory)
    names = [name for experiment in asked for name in figures_of(experiment)]
    if any(name in asked for name in SAMPLED):
        names.append("samples")
    if any(name != "theory" for name in asked):
        names.append("losses")
    return names


def table_files(report: Path, inventory: dict[str, Any]) -> list[Path]:
    """Files of the tables, in the report's folder."""
    return [report / "tables" / f"{name}.{kind}" for name in table_names(inventory) for kind in ("csv", "md", "tex")]


def figure_files(report: Path, inventory: dict[str, Any]) -> list[Path]:
    """Files of the figures, in the report's folder."""
    return [report / "figures" / f"{name}.{kind}" for name in figure_names(inventory) for kind in ("png", "svg")]
