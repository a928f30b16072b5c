"""Theory: what is known exactly, on a mixture of Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etsdm.report.section import Claim, Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.findings.finding import Finding
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "theory"
DIVERGES = Claim(
    NAME,
    "ε* singular where dα/dt is not 0",
    "Does d ε*/dt diverge at t = 0 wherever α² + σ² = 1 and dα/dt is not 0 there, and only there? (Yes: as t^(−1/2).)",
    question=True,
)
BOUND = Claim(
    NAME,
    "error below its bound",
    "Does E-TSDM's error stay below the paper's bound? (Yes: for every n.)",
    question=True,
)
RATE = Claim(
    NAME,
    "error of order 1/2 or more",
    "Is E-TSDM's error at least of order 1/2 in the sub-interval? (Yes: 1/2 or more.)",
    question=True,
)


def draw_derivative(results: Results) -> Canvas:
    """The derivative near t = 0."""
    from etsdm.report.figures.exact import draw_derivative as draw

    return draw(results, NAME)


def caption_of_derivative(results: Results) -> list[str]:
    """What is drawn."""
    return [
        _data(results),
        "In continuous time. Left: the schedules as they are; right: modified so that dα/dt = 0 at t = 0. A line of "
        "slope −1/2 is what the paper's theory says of any schedule with dα/dt not 0. On the straight path "
        "of flow matching dσ/dt is finite, so nothing diverges.",
    ]


def draw_sharing(results: Results) -> Canvas:
    """The error of sharing against its bound."""
    from etsdm.report.figures.exact import draw_sharing as draw

    return draw(results, NAME)


def caption_of_sharing(results: Results) -> list[str]:
    """What is drawn."""
    return [
        _data(results),
        "Error: the largest ‖ε*(x, f(t)) − ε*(x, t)‖ over t below t̃ and over samples. Bound: the paper's "
        "σ_t̃ K(x) t̃/n + B(x) Δσ, with K and B measured. Both against the number n of sub-intervals.",
    ]


def _data(results: Results) -> str:
    theory = results.single(NAME)
    if theory is None:
        return ""
    return (
        f"ε* is the best noise prediction on a mixture of Gaussians in {theory['dimension']} dimensions, for "
        f"{theory['n']} samples x_t. No network is trained."
    )


def table(results: Results) -> Table:
    """Derivative, error and bound by schedule."""
    from etsdm.report.tables.exact import exact_table

    return exact_table(results, NAME)


def findings(results: Results) -> list[Finding]:
    """What holds exactly, or does not."""
    from etsdm.report.findings import exact

    theory = results.single(NAME)
    if theory is None:
        return []
    return [exact.diverges(DIVERGES, theory), exact.bound(BOUND, theory), exact.rate(RATE, theory)]


SECTION = Section(
    name=NAME,
    title="Theory on exact data",
    order=130,
    topic="effect",
    figures=(
        Figure(
            f"{NAME}-derivative",
            "Derivative near t = 0",
            "Norm of the time derivative of ε* against t",
            draw_derivative,
            caption_of_derivative,
        ),
        Figure(
            f"{NAME}-sharing",
            "Error of sharing",
            "Error and bound against the number of sub-intervals",
            draw_sharing,
            caption_of_sharing,
        ),
    ),
    table=table,
    claims=(DIVERGES, BOUND, RATE),
    findings=findings,
    trains=False,
)
