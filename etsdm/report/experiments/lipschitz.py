"""Time-Lipschitz constants: K(t', t) of each network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Content, Figure, Section, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.cells import Cell
    from etsdm.report.findings.finding import Finding
    from etsdm.report.published import Published
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "lipschitz"
EXPLODES = Claim(
    NAME,
    "K explodes towards t = 0",
    "The time-Lipschitz constant K of DDPM explodes towards t = 0.",
    primary=True,
)
ZERO = Claim(NAME, "K is 0 inside sub-intervals", "Sharing the condition makes K zero inside each sub-interval.")
LARGEST = Claim(NAME, "the largest K falls", "E-TSDM lowers the largest K.")
METRICS = {"K": "K", "K-per-sqrt-dimension": "K_per_sqrt_dimension"}
"""Metrics, and what a result file calls them."""


def values(content: Content | None) -> Values:
    """K, raw and over the square root of the dimension, by pair of times."""
    if content is None:
        return [{"metric": metric} for metric in METRICS]
    return [
        {"metric": metric, "n": content["n"], "t_prime": p["t_prime"], "t": p["t"], "value": p[key]}
        for p in content["points"]
        for metric, key in METRICS.items()
    ]


def draw(results: Results) -> Canvas:
    """K against t, measured and published."""
    from etsdm.report.figures.k_curves import draw_k

    return draw_k(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    return [
        f"{captions.K}, both predictions at the same x_t; the norm runs over all pixels and channels.",
        captions.pairs(results.block(NAME)),
        captions.band(results),
        "Last panel: the paper's curves, read off its figure.",
        captions.cost(results, NAME, "probes"),
    ]


def table(results: Results) -> Table:
    """K by pair of times, a column for each method."""
    from etsdm.report.tables.k_curves import k_table

    return k_table(results, NAME)


def findings(results: Results) -> list[Finding]:
    """How K grows towards t = 0, whether it is 0 inside sub-intervals, and the largest K."""
    from etsdm.report.findings import k_curves

    return [
        *k_curves.growth(results, EXPLODES),
        *k_curves.zero_inside(results, ZERO),
        *k_curves.largest(results, LARGEST),
    ]


def published(rows: Published, cell: Cell) -> Published:
    """K of the same pair of times."""
    keys = ("t_prime", "t", "metric")
    return [row for row in rows if row["experiment"] == NAME and all(row[key] == cell[key] for key in keys)]


SECTION = Section(
    name=NAME,
    title="Time-Lipschitz constants",
    order=10,
    topic="effect",
    figures=(
        Figure(
            NAME,
            "Time-Lipschitz constants",
            "K against timestep for each method, measured and published",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(EXPLODES, ZERO, LARGEST),
    findings=findings,
    published=published,
    values={NAME: values},
)
