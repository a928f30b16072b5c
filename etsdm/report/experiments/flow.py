"""Flow matching: whether E-TSDM gains on a straight path, and whether K grows there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "flow"
STRAIGHT = "flow"
"""The schedule of flow matching."""
GAIN = Claim(
    NAME,
    "gain for flow matching",
    "Does E-TSDM lower the distance of flow matching, whose dσ/dt is finite? (Yes: lower.)",
    question=True,
    primary=True,
)
TAME = Claim(
    NAME,
    "K grows less on a straight path",
    "Does K of DDPM grow less towards t = 0 on the straight path of flow matching? (Yes: its power of t is higher.)",
    question=True,
)


def draw(results: Results) -> Canvas:
    """Levels and changes by schedule."""
    from etsdm.report.figures.paired import draw_paired

    return draw_paired(results, NAME, by=("schedule",))


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return captions.paired(results, NAME, "Rows: schedule.", "The paper has no such experiment.")


def draw_k(results: Results) -> Canvas:
    """K against t on each schedule."""
    from etsdm.report.figures.k_curves import draw_k as draw

    return draw(results, NAME)


def caption_of_k(results: Results) -> list[str]:
    """Settings and cost."""
    return [
        f"{captions.K}, of the noise that the network's prediction implies.",
        captions.pairs(results.block(NAME)),
        captions.band(results),
        captions.cost(results, NAME, "probes and sample sets"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, f"{DISTANCE}, and K")


def findings(results: Results) -> list[Finding]:
    """The gain on the straight path, then on the others, and how K grows on each."""
    from etsdm.report.findings import k_curves
    from etsdm.report.findings.finding import against_ddpm

    return [*against_ddpm(results, GAIN, schedule=STRAIGHT), *k_curves.tamer(results, TAME, STRAIGHT)]


SECTION = Section(
    name=NAME,
    title="Flow matching",
    order=55,
    topic="cause",
    figures=(
        Figure(NAME, "Flow matching", "Distance and its change against DDPM on each schedule", draw, caption),
        Figure(f"{NAME}-k", "K of flow matching", "K against timestep on each schedule", draw_k, caption_of_k),
    ),
    table=table,
    claims=(GAIN, TAME),
    findings=findings,
)
