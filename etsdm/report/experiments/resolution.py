"""Resolution: the gain, and K, against the size of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "resolution"
GAIN = Claim(
    NAME,
    "gain grows with the images",
    "Does E-TSDM gain more on larger images? (Yes: its change falls with the size.)",
    question=True,
    primary=True,
)
GROWTH = Claim(
    NAME,
    "K/√d grows with the images",
    "Does DDPM's K/√d near t = 0 grow with the images? (Yes: higher.)",
    question=True,
)


def draw(results: Results) -> Canvas:
    """The change and K by pixels."""
    from etsdm.report.figures.by_size import draw_by_size

    return draw_by_size(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings."""
    return [
        "Top: change of the distance against DDPM, paired by seed, with its 95 % interval. Below: "
        "K(t', t) over the square root of the number of values in an image.",
        captions.pairs(results.block(NAME)),
        *captions.distances(results, NAME),
        captions.band(results),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, f"{DISTANCE}, and K by size of the images")


def findings(results: Results) -> list[Finding]:
    """The trend of the change, and how K grows."""
    from etsdm.report.findings import by_size

    return [*by_size.trend_of_gain(results, GAIN), *by_size.growth_of_k(results, GROWTH)]


SECTION = Section(
    name=NAME,
    title="Size of the images",
    order=110,
    topic="cause",
    figures=(
        Figure(
            NAME,
            "Size of the images",
            "Change of the distance, and K, against the number of pixels",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(GAIN, GROWTH),
    findings=findings,
)
