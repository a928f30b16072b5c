"""Super-resolution: a network that is given a low-resolution image."""

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

NAME = "super-resolution"
PSNR = Claim(NAME, "PSNR higher", "E-TSDM raises the PSNR of super-resolution.", primary=True)
BIAS = Claim(NAME, "colour bias lower", "E-TSDM lowers the colour bias of super-resolution.")
METRICS = ("psnr", "ssim", "colour-bias")


def values(content: Content | None) -> Values:
    """A value for each metric."""
    if content is None:
        return [{"metric": name} for name in METRICS]
    return [{"metric": name, "n": content["n"], "value": content["values"][name]} for name in METRICS]


def draw(results: Results) -> Canvas:
    """The same images in low resolution, restored, and the truth."""
    from etsdm.report.figures.pictures import draw_restored

    return draw_restored(results, NAME)


def caption(results: Results) -> list[str]:
    """Settings and cost."""
    block = results.block(NAME)
    return [
        f"The first images of {block['test']}, without selection; no network was trained on them. They are reduced by "
        f"{block['factor']} and enlarged again, then restored by each method (seed {results.seeds[0]}, largest "
        "budget). The last row is the truth.",
        captions.solver_words(results, NAME),
        captions.cost(results, NAME, "sets of restored images"),
    ]


def table(results: Results) -> Table:
    """Every cell beside ddpm's."""
    from etsdm.report.tables.comparison import LEVELS_DIFFER, comparison_table

    shows = "PSNR in dB, SSIM, and colour bias in grey levels of 255"
    return comparison_table(results, NAME, f"{shows}; {LEVELS_DIFFER}")


def findings(results: Results) -> list[Finding]:
    """PSNR and colour bias."""
    from etsdm.report.findings.finding import against_ddpm

    return [*against_ddpm(results, PSNR, ["psnr"]), *against_ddpm(results, BIAS, ["colour-bias"])]


def published(rows: Published, cell: Cell) -> Published:
    """The same metric."""
    return [row for row in rows if row["experiment"] == NAME and row["metric"] == cell["metric"]]


SECTION = Section(
    name=NAME,
    title="Super-resolution",
    order=90,
    topic="gain",
    figures=(
        Figure(
            NAME,
            "Restored images",
            "The same images in low resolution, restored by each method, and the truth",
            draw,
            caption,
            picture=True,
        ),
    ),
    table=table,
    claims=(PSNR, BIAS),
    findings=findings,
    published=published,
    values={"restoration": values},
)
