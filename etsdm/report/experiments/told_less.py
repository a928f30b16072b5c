"""Told less: how much of t a network must be told, and what goes with the distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "told-less"
WITHHELD = Claim(
    NAME,
    "withholding t costs more for ε than for v",
    "Does it cost more to withhold t where the network predicts the noise than where it predicts v? (Yes: above 0.)",
    question=True,
    primary=True,
)
TOGETHER = Claim(
    NAME,
    "a lower K goes with a lower distance",
    "Do methods with a lower K have a lower distance? (Yes: a rank correlation above 0.)",
    question=True,
)
COSTS = Claim(
    NAME,
    "a cheaper wrong condition goes with a lower distance",
    "Do methods for which a wrong condition costs less have a lower distance? (Yes: a rank correlation above 0.)",
    question=True,
)
GAIN = Claim(
    NAME,
    "gain of being told less",
    "Does each way to tell the network less, or more slowly, lower the distance? (Yes: lower.)",
    question=True,
)
NOTHING = "unconditional"
"""The method that is told nothing."""


def draw(results: Results) -> Canvas:
    """Changes of distance and K by method, those that are told most first."""
    from etsdm.report.figures.side_by_side import draw_side_by_side

    return draw_side_by_side(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return [
        "Rows: methods, those whose network is told most different times first. Changes against DDPM, paired by seed "
        f"over {captions.seed_words(results)}, with 95 % intervals. Distance: mean over solvers and budgets. "
        "The largest K is that over all pairs of times; a change of −100 % is a K of 0. The cost of a wrong "
        "condition is the excess error of the predicted x₀, the mean over times and offsets.",
        captions.pairs(results.block(NAME)),
        *captions.distances(results, NAME),
        captions.cost(results, NAME, "probes and sample sets"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, f"{DISTANCE}, K, and errors where the condition is wrong")


def findings(results: Results) -> list[Finding]:
    """What withholding costs by prediction, what goes together, and each method."""
    from etsdm.report.findings import conditions
    from etsdm.report.findings.finding import against_ddpm

    return [
        *conditions.withheld(results, WITHHELD, NOTHING, ("eps", "v")),
        *conditions.go_together(results, TOGETHER, "largest K"),
        *conditions.go_together(results, COSTS, "cost of a wrong condition"),
        *against_ddpm(results, GAIN),
    ]


SECTION = Section(
    name=NAME,
    title="How much the network is told",
    order=68,
    topic="cause",
    figures=(
        Figure(
            NAME,
            "Told less",
            "Distance, K and the cost of a wrong condition against DDPM for each method",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(WITHHELD, TOGETHER, COSTS, GAIN),
    findings=findings,
)
