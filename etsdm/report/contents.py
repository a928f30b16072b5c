"""Which tables and figures a report has: known from the configuration alone, before anything runs."""

from pathlib import Path
from typing import Any

from etsdm.errors import UserError
from etsdm.report.section import Figure, Section
from etsdm.report.sections import code_of, modules, section, sections, sections_of

MOSAIC = (2, 6)
"""Rows and columns of images a method and solver."""


def experiments(inventory: dict[str, Any]) -> list[str]:
    """Names of the experiments that a report has, in its order."""
    return [one.name for one in sections_of(inventory) if one.shown is None]


def shows_samples(experiment: str) -> bool:
    """Whether the generated images of an experiment are shown."""
    return section(experiment).samples


def table_names(inventory: dict[str, Any]) -> list[str]:
    """Tables of the report."""
    return [one.name for one in sections_of(inventory) if one.table]


def figures(inventory: dict[str, Any]) -> dict[str, tuple[Section, Figure]]:
    """Figures of the report by name, each with its section."""
    return {figure.name: (one, figure) for one in sections_of(inventory) for figure in one.figures}


def figure(inventory: dict[str, Any], name: str) -> tuple[Section, Figure]:
    """A figure of the report with its section.

    Raises:
        UserError: the report has no such figure.
    """
    known = figures(inventory)
    if name not in known:
        raise UserError(f"figure {name!r}: this report has none; it has {', '.join(known)}")
    return known[name]


def figure_names(inventory: dict[str, Any]) -> list[str]:
    """Figures of the report."""
    return list(figures(inventory))


def table_files(report: Path, inventory: dict[str, Any]) -> list[Path]:
    """Files of the tables, in the report's folder."""
    return [report / "tables" / f"{name}.{kind}" for name in table_names(inventory) for kind in ("csv", "md", "tex")]


def figure_files(report: Path, inventory: dict[str, Any]) -> list[Path]:
    """Files of the figures, in the report's folder."""
    return [file for name in figure_names(inventory) for file in files_of(report, name)]


def files_of(report: Path, figure: str) -> list[Path]:
    """Files of one figure."""
    return [report / "figures" / f"{figure}.{kind}" for kind in ("png", "svg")]


def note_of(report: Path, figure: str) -> Path:
    """Manifest of one figure. Its result says why the figure could not be drawn, and holds the caption."""
    return report / "figures" / f"{figure}.manifest.json"


# The code that each stage of a report loads by name, for its digest.


def rows_code() -> list[str]:
    """What turns result files into rows."""
    return code_of(*(function for one in sections() for function in one.values.values()))


def tables_code(inventory: dict[str, Any]) -> list[str]:
    """What builds the tables, what picks published values for them, and what judges the claims."""
    return code_of(
        *(function for one in sections_of(inventory) for function in (one.table, one.published, one.findings))
    )


def figure_code(inventory: dict[str, Any], name: str) -> list[str]:
    """What draws a figure, what picks published values for it, and what judges the claims that it shows."""
    one, stated = figure(inventory, name)
    judged = sections_of(inventory) if one.judges else []
    return code_of(
        stated.draw,
        *(function for section in (one, *judged) for function in (section.published,)),
        *(section.findings for section in judged),
    )


def page_code() -> list[str]:
    """All that is said of any experiment: the page also names the claims of those that were not run."""
    return modules()
