"""Predictions: whether the gain depends on what the network predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "predictions"
GAIN = Claim(
    NAME,
    "gain whatever is predicted",
    "Does E-TSDM lower the distance whatever the network predicts? (Yes: lower.)",
    question=True,
    primary=True,
)


def draw(results: Results) -> Canvas:
    """Levels and changes by prediction."""
    from etsdm.report.figures.paired import draw_paired

    return draw_paired(results, NAME, by=("prediction",))


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return captions.paired(results, NAME, "Rows: what the network predicts.", "The paper has no such experiment.")


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, DISTANCE)


def findings(results: Results) -> list[Finding]:
    """Whatever the network predicts."""
    from etsdm.report.findings.finding import against_ddpm

    return against_ddpm(results, GAIN)


SECTION = Section(
    name=NAME,
    title="What the network predicts",
    order=50,
    topic="gain",
    figures=(
        Figure(
            NAME,
            "Predictions",
            "Distance and its change against DDPM by what the network predicts",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(GAIN,),
    findings=findings,
)
