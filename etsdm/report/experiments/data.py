"""Data: how many images each class has, and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etsdm.report.section import Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "data"


def draw(results: Results) -> Canvas:
    """Images of every data set."""
    from etsdm.report.figures.pictures import draw_data

    return draw_data(results)


def caption(results: Results) -> list[str]:
    """What is drawn."""
    return ["Real images, every class in turn, drawn by a seed. Pixels are enlarged, not smoothed."]


def table(results: Results) -> Table:
    """A row for each data set; in the CSV one for each class."""
    from etsdm.report.tables.data import data_table

    return data_table(results, NAME)


def shown(experiments: Sequence[Section]) -> bool:
    """Where networks are trained."""
    return any(one.trains for one in experiments)


SECTION = Section(
    name=NAME,
    title="Data",
    order=1005,
    figures=(Figure(NAME, "Data", "Real images of each data set", draw, caption, picture=True, dpi=140),),
    table=table,
    shown=shown,
)
