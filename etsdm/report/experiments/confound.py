"""Confound: whether more images near t = 0, or other weights, do what sharing does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "confound"
AS_WELL = Claim(
    NAME,
    "other times or weights lower DDPM's distance",
    "Do other training times and weights lower DDPM's distance, with no sharing? (Yes: lower.)",
    question=True,
    primary=True,
)
STILL = Claim(
    NAME,
    "gain whatever is trained how often",
    "Does E-TSDM lower the distance whichever times are trained and however they weigh? (Yes: lower.)",
    question=True,
)
LOSS = ("training_times", "loss_weight")


def draw(results: Results) -> Canvas:
    """Levels and changes by training times and weight."""
    from etsdm.report.figures.paired import draw_paired

    return draw_paired(results, NAME, by=LOSS)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    rows = "Rows: distribution of the training times, and weight of the loss."
    return captions.paired(results, NAME, rows, "The paper has no such experiment.")


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, DISTANCE)


def findings(results: Results) -> list[Finding]:
    """ddpm with each other loss against ddpm with the usual one, and E-TSDM over all losses."""
    from etsdm.diffusion.loss_weights import NONE
    from etsdm.diffusion.training_times import UNIFORM
    from etsdm.report.findings.finding import against_ddpm
    from etsdm.report.findings.settings import against_usual

    usual = dict(zip(LOSS, (UNIFORM, NONE), strict=True))
    return [*against_usual(results, AS_WELL, usual), *against_ddpm(results, STILL)]


SECTION = Section(
    name=NAME,
    title="Training times and weights",
    order=65,
    topic="cause",
    figures=(
        Figure(
            NAME,
            "Training times and weights",
            "Distance and its change against DDPM for each distribution of training times and each weight",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(AS_WELL, STILL),
    findings=findings,
)
