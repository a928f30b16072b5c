"""Alternatives: whether E-TSDM beats other ways to a bounded Lipschitz constant."""

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

NAME = "alternatives"
BEST = Claim(
    NAME,
    "E-TSDM beats the alternatives",
    "E-TSDM's distance is lower than that of the alternatives.",
    primary=True,
)
FFHQ = "ffhq"
"""The data set of the paper's alternatives."""


def draw(results: Results) -> Canvas:
    """Levels and changes by method."""
    from etsdm.report.figures.paired import draw_paired

    return draw_paired(results, NAME, by=("method_label",))


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    diamonds = f"{captions.DIAMONDS}, of FFHQ where the paper lacks the data set."
    return captions.paired(results, NAME, "Rows: methods.", diamonds)


def table(results: Results) -> Table:
    """Every cell beside ddpm's, and each method's K where it was measured."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    shows = f"{DISTANCE}; the paper's are FIDs at 256 px, on FFHQ where it lacks the data set"
    return comparison_table(results, NAME, shows, k_of="lipschitz")


def findings(results: Results) -> list[Finding]:
    """E-TSDM against all alternatives together, then against each."""
    from etsdm.report.findings.settings import against_others

    return against_others(results, BEST)


def published(rows: Published, cell: Cell) -> Published:
    """The same data set where the paper has it, FFHQ otherwise; ddpm and etsdm are rows of other experiments."""
    known = [row for row in rows if row["experiment"] in (NAME, "comparison", "schedules")]
    dataset = cell["dataset"] if any(row["dataset"] == cell["dataset"] for row in known) else FFHQ
    return [row for row in known if is_frechet(cell["metric"]) and row["dataset"] == dataset]


SECTION = Section(
    name=NAME,
    title="Alternatives to E-TSDM",
    order=60,
    topic="cause",
    figures=(Figure(NAME, "Alternatives", "Distance and its change against DDPM for each method", draw, caption),),
    table=table,
    claims=(BEST,),
    findings=findings,
    published=published,
)
