"""Solver error: how far each solver ends from the exact solution of its own network's equation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Content, Figure, Section, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "solver-error"
METRIC = "solver-error"
NEARER = Claim(
    NAME,
    "solvers nearer to the solution",
    "Does E-TSDM bring the solvers nearer to the exact solution? (Yes: lower.)",
    question=True,
    primary=True,
)


def values(content: Content | None) -> Values:
    """The errors by solver and budget."""
    if content is None:
        return [{"metric": METRIC}]
    return [
        {
            "metric": METRIC,
            "n": content["n"],
            "value": p["error"],
            "solver": p["solver"],
            "solver_parameters": json.dumps(p["parameters"]),
            "nfe": p["nfe"],
        }
        for p in content["points"]
    ]


def draw(results: Results) -> Canvas:
    """Error against NFE."""
    from etsdm.report.figures.by_nfe import draw_by_nfe

    return draw_by_nfe(results, NAME, log=True)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    block = results.block(NAME)
    return [
        "Root mean square distance, over values and images, between a solver's x at the end of sampling and that of a "
        f"tight reference. The reference is DPM-Solver++ 3M with {block['reference_nfe']} NFE, restarted at jumps of "
        "the condition, with the same network and from the same noise. "
        f"{block['images']:,} images; {captions.LOWER}. Each method is measured against its own exact solution.",
        captions.band(results),
        captions.cost(results, NAME, "probes"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import comparison_table

    shows = "root mean square distance of a solver's x₀ to the exact solution"
    return comparison_table(results, NAME, shows)


def findings(results: Results) -> list[Finding]:
    """Distances to the exact solution."""
    from etsdm.report.findings.finding import against_ddpm

    return against_ddpm(results, NEARER, [METRIC])


SECTION = Section(
    name=NAME,
    title="The solvers' own errors",
    order=100,
    topic="effect",
    figures=(
        Figure(NAME, "Solver error", "Distance to the exact solution against NFE for each solver", draw, caption),
    ),
    table=table,
    claims=(NEARER,),
    findings=findings,
    values={NAME: values},
)
