"""Stability: how much x₀ changes when x_t is perturbed."""

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

NAME = "stability"
PREDICTED = Claim(
    NAME,
    "predicted x₀ more stable",
    "The x₀ that E-TSDM predicts changes less when x_t is perturbed.",
    primary=True,
)
SOLVED = Claim(
    NAME,
    "solved x₀ more stable",
    "Does the x₀ that a solver ends at change less under E-TSDM? (Yes: lower.)",
    question=True,
)
METRICS = {"change-predicted": "predicted", "change-solved": "solved"}
"""Metrics, and what a result file calls them."""
PAPER_T = 100
"""Where the paper perturbs x_t: at t̃."""


def values(content: Content | None) -> Values:
    """The changes by standard deviation."""
    if content is None:
        return [{"metric": metric} for metric in METRICS]
    common = {"n": content["n"], "t": content["t"]}
    return [
        common | {"metric": metric, "perturbation_std": p["std"], "value": p[key]}
        for p in content["points"]
        for metric, key in METRICS.items()
    ]


def draw(results: Results) -> Canvas:
    """The changes, those against ddpm, and the published ones."""
    from etsdm.report.figures.perturbations import draw_perturbations

    return draw_perturbations(results, NAME, {metric: f"{key} x₀" for metric, key in METRICS.items()})


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    block = results.block(NAME)
    return [
        f"Noise of each standard deviation is added to x_t at t = {block['t']}. Shown is the mean squared change of "
        f"x₀ over its values and over {block['images']:,} images at most; images are in [−1, 1]. Predicted: by one "
        f"evaluation. Solved: by DDIM with {block['nfe']} NFE.",
        captions.band(results),
        "Change against DDPM: with its 95 % interval; diamonds: the paper's. The paper's unit is not "
        "known, so only its changes can be compared.",
        captions.cost(results, NAME, "probes"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import LEVELS_DIFFER, comparison_table

    shows = "mean squared change of x₀ when noise is added to x_t, images in [-1, 1]"
    return comparison_table(results, NAME, f"{shows}; {LEVELS_DIFFER}")


def findings(results: Results) -> list[Finding]:
    """Changes of the predicted and of the solved x₀."""
    from etsdm.report.findings.finding import against_ddpm

    return [
        *against_ddpm(results, PREDICTED, ["change-predicted"]),
        *against_ddpm(results, SOLVED, ["change-solved"]),
    ]


def published(rows: Published, cell: Cell) -> Published:
    """The predicted x₀ under the same perturbation at t̃."""
    if cell["metric"] != "change-predicted" or cell["t"] != PAPER_T:
        return []
    key = "perturbation_std"
    return [row for row in rows if row["experiment"] == NAME and row[key] == cell[key]]


SECTION = Section(
    name=NAME,
    title="Stability under perturbation",
    order=80,
    topic="effect",
    figures=(
        Figure(
            NAME,
            "Stability",
            "Change of x₀ against the noise added to x_t, measured and published",
            draw,
            caption,
        ),
    ),
    table=table,
    claims=(PREDICTED, SOLVED),
    findings=findings,
    published=published,
    values={NAME: values},
)
