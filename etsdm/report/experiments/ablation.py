"""Ablation: E-TSDM's own settings, t_tilde and n."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "ablation"
EVERYWHERE = Claim(
    NAME,
    "gain at all t̃ and n",
    "Does E-TSDM lower the distance over all t̃ and n? (Yes: lower.)",
    question=True,
    primary=True,
)
MORE = Claim(
    NAME,
    "more sub-intervals are better",
    "Do more sub-intervals lower E-TSDM's distance, as its error bound suggests? (Yes: lower.)",
    question=True,
    topic="effect",
)


def draw(results: Results) -> Canvas:
    """The change by t_tilde and n."""
    from etsdm.report.figures.heat_map import draw_heat_map

    return draw_heat_map(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return [
        f"Change of the distance against DDPM and its 95 % interval, over {captions.seed_words(results)}, for each t̃ "
        "and number n of sub-intervals. The paper has this experiment, but its numbers could not be reached, so there "
        "are none to compare with.",
        *captions.distances(results, NAME),
        captions.cost(results, NAME, "sample sets"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import DISTANCE, comparison_table

    return comparison_table(results, NAME, f"{DISTANCE}; the paper's numbers could not be reached")


def findings(results: Results) -> list[Finding]:
    """Over the grid against ddpm, and with most against fewest sub-intervals."""
    from etsdm.report.findings.settings import over_the_grid

    return over_the_grid(results, EVERYWHERE, MORE)


SECTION = Section(
    name=NAME,
    title="E-TSDM's own settings",
    order=70,
    topic="gain",
    figures=(Figure(NAME, "t̃ and n", "Heat map of the change against DDPM by t̃ and n", draw, caption),),
    table=table,
    claims=(EVERYWHERE, MORE),
    findings=findings,
)
