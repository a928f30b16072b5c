"""The Lipschitz constant in x beside the one in t."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Claim, Content, Figure, Section, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "x-lipschitz"
LOWER = Claim(
    NAME,
    "the constant in x falls",
    "Does E-TSDM lower the Lipschitz constant in x? (Yes: lower. No is expected.)",
    question=True,
    primary=True,
)
IN_X = "K-in-x"


def values(content: Content | None) -> Values:
    """The constant in x by t."""
    if content is None:
        return [{"metric": IN_X}]
    return [{"metric": IN_X, "n": content["n"], "t": p["t"], "value": p["K"]} for p in content["points"]]


def draw(results: Results) -> Canvas:
    """Both constants against t."""
    from etsdm.report.figures.constants import draw_constants

    return draw_constants(results, NAME, {IN_X: "K in x", "K": "K(t', t)  [per step]"})


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    block = results.block(NAME)
    return [
        "Left: the constant in x, E‖∂ε(x_t, t)/∂x‖₂, which is the largest singular value of the Jacobian at x_t, by "
        f"{block['iterations']} iterations. Right: {captions.K}.",
        captions.pairs(block),
        f"Shown up to t = {block['fine_until']}, up to where the constant in x is measured.",
        captions.band(results),
        captions.cost(results, NAME, "probes"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import comparison_table

    return comparison_table(results, NAME, "Lipschitz constants in x and in t, lower is better")


def findings(results: Results) -> list[Finding]:
    """The constant in x against ddpm's."""
    from etsdm.report.findings.finding import against_ddpm

    return against_ddpm(results, LOWER, [IN_X])


SECTION = Section(
    name=NAME,
    title="Lipschitz constants in x",
    order=84,
    topic="effect",
    figures=(
        Figure(
            NAME,
            "Lipschitz constants in x and in t",
            "The Lipschitz constants in x and in t against timestep for each method",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(LOWER,),
    findings=findings,
    values={NAME: values},
)
