"""Mismatch: what a wrong condition costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Content, Figure, Section, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "mismatch"
CHEAPER = Claim(
    NAME,
    "a wrong condition costs less",
    "Does a wrong condition cost E-TSDM less than DDPM, below t̃? (Yes: lower.)",
    question=True,
    primary=True,
)
FREE = Claim(
    NAME,
    "a wrong condition is free inside sub-intervals",
    "Does a wrong condition cost nothing where it stays inside t's sub-interval? (Yes: exactly 0.)",
    question=True,
)
ERROR, EXCESS = "error-predicted", "excess-predicted"


def values(content: Content | None) -> Values:
    """The errors by t and offset, and the excess of all offsets but 0."""
    if content is None:
        return [{"metric": ERROR}, {"metric": EXCESS}]
    return [
        {"metric": metric, "n": content["n"], "t": p["t"], "condition_offset": p["offset"], "value": p[key]}
        for p in content["points"]
        for metric, key in ((ERROR, "error"), (EXCESS, "excess"))
        if metric == ERROR or p["offset"]
    ]


def draw(results: Results) -> Canvas:
    """The error against the offset at each t."""
    from etsdm.report.figures.offsets import draw_offsets

    return draw_offsets(results, NAME, ERROR)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return [
        "x_t is at the noise level of t, and the network is given t + offset. Shown is the mean squared error of the "
        f"predicted x₀ over its values and over {results.block(NAME)['images']:,} images at most; images are in "
        f"[−1, 1], {captions.LOWER}. The excess of an offset is its error less that at 0.",
        "An offset that leads out of the times that are trained is left out.",
        captions.band(results),
        captions.cost(results, NAME, "probes"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import comparison_table

    shows = "mean squared error of the predicted x₀ under a wrong condition, and its excess over the right one"
    return comparison_table(results, NAME, f"{shows}, images in [-1, 1], lower is better")


def findings(results: Results) -> list[Finding]:
    """What a wrong condition costs below t̃, and whether it is free inside sub-intervals."""
    from etsdm.report.findings import offsets

    return [*offsets.cost_below(results, CHEAPER, EXCESS), *offsets.free_inside(results, FREE, EXCESS)]


SECTION = Section(
    name=NAME,
    title="A wrong condition",
    order=82,
    topic="effect",
    figures=(
        Figure(
            NAME,
            "A wrong condition",
            "Error of the predicted x₀ against the steps added to t in the condition, for each t",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(CHEAPER, FREE),
    findings=findings,
    values={NAME: values},
)
