"""Few-step solvers: whether E-TSDM is nearer to the data with few evaluations, and what more of them do."""

from __future__ import annotations

import json
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

NAME = "fast-sampling"
GAIN = Claim(
    NAME,
    "gain under few-step solvers",
    "E-TSDM lowers the distance under few-step solvers.",
    primary=True,
    gain=True,
)
WORSE = Claim(
    NAME, "DDPM worse with more steps", "With more evaluations of a fast solver, DDPM gets worse.", topic="effect"
)
BETTER = Claim(
    NAME, "E-TSDM better with more steps", "With more evaluations of a fast solver, E-TSDM gets better.", topic="effect"
)
CONTROL = Claim(
    NAME,
    "control: 2M beats DDIM at 10 NFE",
    "A difference that everybody knows is called: with 10 evaluations DPM-Solver++ 2M beats DDIM.",
    question=True,
    control=True,
)
CHANCE = Claim(
    NAME,
    "A/A: DDPM against itself",
    "DDPM against itself with other seeds (replica): whatever is called here is called by chance.",
    question=True,
    control=True,
)
PAPER_SOLVERS = ("ddim", "dpm-solver-2", "dpm-solver-3")
"""Solvers for which the paper reports two budgets."""
CONTROL_NFE = 10
"""Evaluations at which the second order of 2M is known to matter."""
CONTROL_SOLVERS = {"ddim": "DDIM", "dpm-solver++-2m": "DPM-Solver++ 2M"}


def draw(results: Results) -> Canvas:
    """Distance against NFE."""
    from etsdm.report.figures.by_nfe import draw_by_nfe

    return draw_by_nfe(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return [
        *captions.distances(results, NAME),
        captions.band(results),
        captions.cost(results, NAME, "sample sets"),
    ]


def draw_changes(results: Results) -> Canvas:
    """Levels and changes by solver and budget."""
    from etsdm.report.figures.paired import draw_paired

    return draw_paired(results, NAME, by=("solver_label", "nfe"))


def caption_of_changes(results: Results) -> list[str]:
    """Settings and cost."""
    return captions.paired(results, NAME, "Rows: solver and budget.", f"{captions.DIAMONDS}.")


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    shows = f"{DISTANCE}; the paper's are FIDs at 256 px on a data set that it does not name"
    return comparison_table(results, NAME, shows)


def findings(results: Results) -> list[Finding]:
    """Few-step solvers, and what more steps do."""
    from etsdm.report.cells import BASELINE, OURS
    from etsdm.report.findings import budgets
    from etsdm.report.findings.finding import against_ddpm

    return [
        *against_ddpm(results, GAIN),
        *budgets.more_steps(results, WORSE, PAPER_SOLVERS, BASELINE, 1),
        *budgets.more_steps(results, BETTER, PAPER_SOLVERS, OURS, -1),
        *budgets.known_difference(results, CONTROL, CONTROL_NFE, CONTROL_SOLVERS),
        *budgets.chance(results, CHANCE),
    ]


def published(rows: Published, cell: Cell) -> Published:
    """The same solver and NFE, without the lower-order last step; the paper names no data set."""
    if not is_frechet(cell["metric"]) or json.loads(cell["solver_parameters"]).get("lower_order_final"):
        return []
    keys = ("solver", "nfe")
    return [row for row in rows if row["experiment"] == NAME and all(row[key] == cell[key] for key in keys)]


SECTION = Section(
    name=NAME,
    title="Few-step solvers",
    order=30,
    topic="gain",
    figures=(
        Figure(
            NAME,
            "Distance against NFE",
            "Distance against the number of network evaluations for each solver and method",
            draw,
            caption,
        ),
        Figure(
            f"{NAME}-changes",
            "Change by solver",
            "Distance and its change against DDPM for each solver and budget",
            draw_changes,
            caption_of_changes,
        ),
    ),
    table=table,
    claims=(GAIN, WORSE, BETTER, CONTROL, CHANCE),
    findings=findings,
    published=published,
    samples=True,
)
