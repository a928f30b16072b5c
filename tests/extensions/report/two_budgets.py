"""Two budgets: whether E-TSDM gains more with few evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "two-budgets"
GAIN = Claim(NAME, "gain at both budgets", "Is the distance lower at both budgets?", question=True, primary=True)


def draw(results: Results) -> Canvas:
    """One dot a value, by evaluations."""
    from etsdm.report.figures.by_nfe import draw_by_nfe

    return draw_by_nfe(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return ["A figure of our own.", *captions.distances(results, NAME)]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, DISTANCE)


def findings(results: Results) -> list[Finding]:
    """Against ddpm."""
    from etsdm.report.findings.finding import against_ddpm

    return against_ddpm(results, GAIN)


SECTION = Section(
    name=NAME,
    title="Few and many evaluations",
    order=35,
    figures=(Figure("our-own-figure", "A figure of our own", "Distance by evaluations", draw, caption),),
    table=table,
    claims=(GAIN,),
    findings=findings,
)
