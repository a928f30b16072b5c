"""Noise schedules: whether the gain holds under each, in discrete and in continuous time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.metrics import is_frechet
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.cells import Cell
    from etsdm.report.findings.finding import Finding
    from etsdm.report.published import Published
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "schedules"
GAIN = Claim(
    NAME,
    "gain under every schedule",
    "E-TSDM lowers the distance under every schedule, in discrete and in continuous time.",
    primary=True,
    gain=True,
)
FFHQ = "ffhq"
"""The data set of the paper's schedules."""


def draw(results: Results) -> Canvas:
    """Levels and changes by schedule and time."""
    from etsdm.report.figures.paired import draw_paired

    return draw_paired(results, NAME, by=("schedule", "time"))


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return captions.paired(results, NAME, "Rows: schedule and time.", f"{captions.DIAMONDS}, of FFHQ.")


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, f"{DISTANCE}; the paper's are FIDs on FFHQ at 256 px")


def findings(results: Results) -> list[Finding]:
    """Every schedule and time."""
    from etsdm.report.findings.finding import against_ddpm

    return against_ddpm(results, GAIN)


def published(rows: Published, cell: Cell) -> Published:
    """FFHQ under the same schedule and time; for linear and discrete that is a row of `comparison`."""
    known = [row for row in rows if row["experiment"] in (NAME, "comparison") and row["dataset"] == FFHQ]
    return known if is_frechet(cell["metric"]) else []


SECTION = Section(
    name=NAME,
    title="Noise schedules",
    order=40,
    topic="gain",
    figures=(
        Figure(
            NAME,
            "Schedules",
            "Distance and its change against DDPM for each schedule and time",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(GAIN,),
    findings=findings,
    published=published,
)
