"""No training: whether another way to sample the same ddpm does what E-TSDM's training does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section
from etsdm.report.text import unique

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "no-training"
GAIN = Claim(
    NAME,
    "gain beyond what sampling alone gives",
    "Is E-TSDM's distance lower than that of DDPM with whichever of the options is best for it? (Yes: lower.)",
    question=True,
    primary=True,
)
EACH = Claim(
    NAME,
    "gain of an option alone",
    "Does an option of the solver lower DDPM's distance, at the same number of evaluations? (Yes: lower.)",
    question=True,
)
BESIDE = Claim(
    NAME,
    "gain of sharing beside an option",
    "Does E-TSDM still gain where both networks are sampled with the option? (Yes: lower.)",
    question=True,
)


def draw(results: Results) -> Canvas:
    """Levels and changes by solver and options."""
    from etsdm.report.figures.paired import draw_paired

    return draw_paired(results, NAME, by=("solver_label",))


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    from etsdm.report.options import options_of

    settings = results.experiment(NAME)["solver_parameters"].dropna().unique()
    options = unique([options_of(json.loads(one)) for one in settings])
    rows = f"Rows: each solver as it is, and with each option: {'; '.join(filter(None, options))}."
    return captions.paired(results, NAME, rows, "The paper has no such experiment.")


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, DISTANCE)


def findings(results: Results) -> list[Finding]:
    """E-TSDM against ddpm at its best, each option alone, and sharing beside each option."""
    from etsdm.report.findings import options

    return [
        *options.against_best(results, GAIN),
        *options.each_alone(results, EACH),
        *options.sharing_beside(results, BESIDE),
    ]


SECTION = Section(
    name=NAME,
    title="Sampling alone",
    order=35,
    topic="cause",
    figures=(Figure(NAME, "Sampling alone", "Distance with each option, and its change by sharing", draw, caption),),
    table=table,
    claims=(GAIN, EACH, BESIDE),
    findings=findings,
)
