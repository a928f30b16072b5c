"""Progress: distances and K while a network is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "progress"
FALLING = Claim(
    NAME,
    "distance still falling at the end of training",
    "Is DDPM's distance still falling at the end of training? (Yes: lower.)",
    question=True,
    primary=True,
)


def draw(results: Results) -> Canvas:
    """Distances and K by images seen."""
    from etsdm.report.figures.by_images import draw_by_images

    return draw_by_images(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return [
        "Each point is a network as it was then: its averaged weights after the first step at or beyond that count of "
        "images. Dashes tell apart the half-lives of the average, in images.",
        f"{captions.K}, at the smallest t, and the largest over all t.",
        captions.pairs(results.block(NAME)),
        *captions.distances(results, NAME),
        captions.band(results),
        captions.cost(results, NAME, "sample sets and probes"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    shows = f"{DISTANCE}, and K by images seen in training and half-life of the averaged weights"
    return comparison_table(results, NAME, shows)


def findings(results: Results) -> list[Finding]:
    """The last snapshot against the last but one."""
    from etsdm.report.findings.by_images import last_snapshots

    return last_snapshots(results, FALLING)


SECTION = Section(
    name=NAME,
    title="Progress of training",
    order=120,
    topic="cause",
    figures=(
        Figure(
            NAME,
            "Progress of training",
            "Distance, and K, against the images seen in training",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(FALLING,),
    findings=findings,
)
