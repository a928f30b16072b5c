"""Verdicts: every finding of the report in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etsdm.report.section import Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "verdicts"


def draw(results: Results) -> Canvas:
    """Every primary claim's change."""
    from etsdm.report.figures.forest import draw_forest

    return draw_forest(results)


def caption(results: Results) -> list[str]:
    """What is drawn."""
    from etsdm.report import captions

    return [
        f"Mean changes over {captions.seed_words(results)} with their 95 % intervals; left of 0 is lower. Green has "
        "the claimed direction, red the opposite one. Claims in other units stand in the table.",
    ]


def table(results: Results) -> Table:
    """A row for each finding."""
    from etsdm.report.tables.verdicts import verdict_table

    return verdict_table(results, NAME)


def shown(experiments: Sequence[Section]) -> bool:
    """In every report."""
    return True


SECTION = Section(
    name=NAME,
    title="Verdicts",
    order=5,
    figures=(Figure(NAME, "Primary claims", "The change of each primary claim with its interval", draw, caption),),
    table=table,
    judges=True,
    shown=shown,
)
