"""Figures as files."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure as Canvas

from etsdm.report import contents
from etsdm.report.broken import why_broken
from etsdm.report.figures.style import HINT, STYLE, empty
from etsdm.report.results import Results, load
from etsdm.report.section import Figure
from etsdm.runtime.files import write_text


def draw(results: Results) -> Iterator[tuple[str, Canvas]]:
    """Names and figures, as `contents.figure_names` lists them; each is closed when the next one comes."""
    with matplotlib.rc_context(STYLE):
        for name, (_, figure) in contents.figures(results.inventory).items():
            canvas = figure.draw(results)
            yield name, canvas
            plt.close(canvas)


def write_figure(results: Results, name: str, folder: Path) -> str | None:
    """Write one of the report's figures as PNG and SVG.

    Args:
        results: the measurements.
        name: name of the figure.
        folder: folder of the figures.

    Returns:
        Why it could not be drawn; the files then say so. None if it was drawn.

    Raises:
        UserError: the report has no such figure.
    """
    figure, reason = contents.figure(results.inventory, name)[1], None
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        try:
            _save(figure, figure.draw(results), folder)
        except Exception as error:  # whatever it is, the page and the other figures are made
            reason = why_broken(error)
            _save(figure, empty("This figure could not be drawn."), folder)
        finally:
            plt.close("all")
    return reason


def _save(figure: Figure, canvas: Canvas, folder: Path) -> None:
    canvas.savefig(folder / f"{figure.name}.png", dpi=figure.dpi, metadata={"Software": None})
    write_text(folder / f"{figure.name}.svg", as_svg(canvas))


def as_svg(canvas: Canvas) -> str:
    """The figure as SVG, with its hints."""
    drawing = io.StringIO()
    canvas.savefig(drawing, format="svg", metadata={"Date": None})
    return with_hints(drawing.getvalue())


def with_hints(svg: str) -> str:
    """The drawing with a title for each point that `style.hint` has named, which browsers show beside the pointer."""
    return re.sub(f'<g id="{HINT}([^"]*)">', r'<g class="hint"><title>\1</title>', svg)


def write_figures(report: Path, results: Path, published: Path | None) -> dict[str, str]:
    """Write the report's figures into `report/figures`, each as PNG and SVG.

    Args:
        report: folder with `inventory.json`, `rows.csv` and `losses.csv`.
        results: root of the results, for the image archives and the theory.
        published: CSV of the paper's results, or None.

    Returns:
        Of each figure that could not be drawn, why.
    """
    loaded = load(report, results, published)
    reasons = {name: write_figure(loaded, name, report / "figures") for name in contents.figure_names(loaded.inventory)}
    return {name: reason for name, reason in reasons.items() if reason}
