"""Data sets: whether E-TSDM is nearer to the data on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.metrics import is_fid, is_frechet
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.cells import Cell
    from etsdm.report.findings.finding import Finding
    from etsdm.report.published import Published
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "comparison"
GAIN = Claim(
    NAME,
    "gain on every data set",
    "E-TSDM lowers the distance to the data on every data set.",
    primary=True,
    gain=True,
)


def draw(results: Results) -> Canvas:
    """Bars by data set and method."""
    from etsdm.report.figures.bars import draw_bars

    return draw_bars(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    bars = f"Bar: mean over {captions.seed_words(results)}; line: ± one standard deviation; points: single seeds."
    if any(map(is_fid, results.experiment(NAME)["metric"])):
        bars += " Dash: the paper's FID, where it has that data set."
    return [*captions.distances(results, NAME), bars, captions.cost(results, NAME, "sample sets")]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, f"{DISTANCE}; the paper's values are FIDs with 10,000 samples")


def findings(results: Results) -> list[Finding]:
    """Every data set."""
    from etsdm.report.findings.finding import against_ddpm

    return against_ddpm(results, GAIN)


def published(rows: Published, cell: Cell) -> Published:
    """The same data set, by ancestral sampling in 1,000 steps."""
    as_there = is_frechet(cell["metric"]) and cell["solver"] == "ancestral" and cell["nfe"] == 1000
    return [row for row in rows if as_there and row["experiment"] == NAME and row["dataset"] == cell["dataset"]]


SECTION = Section(
    name=NAME,
    title="Data sets",
    order=20,
    topic="gain",
    figures=(Figure(NAME, "Distance by method", "Bars of the distance for each data set and method", draw, caption),),
    table=table,
    claims=(GAIN,),
    findings=findings,
    published=published,
    samples=True,
)
