"""Figures as files."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from etsdm.report import contents
from etsdm.report.figures.style import STYLE
from etsdm.report.results import Results, load


def draw(results: Results) -> Iterator[tuple[str, Figure]]:
    """Names and figures, as `contents.figure_names` lists them; each is closed when the next is asked for."""
    with matplotlib.rc_context(STYLE):
        for name, (_, stated) in contents.figures(results.inventory).items():
            figure = stated.draw(results)
            yield name, figure
            plt.close(figure)


def write_figures(report: Path, results: Path, published: Path | None) -> None:
    """Write the report's figures into `report/figures`, each as PNG and SVG.

    Args:
        report: folder with `inventory.json`, `rows.csv` and `losses.csv`.
        results: root of the results, for the image archives and the theory.
        published: CSV of the paper's results, or None.
    """
    folder = report / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    found = load(report, results, published)
    stated = contents.figures(found.inventory)
    for name, figure in draw(found):
        figure.savefig(folder / f"{name}.png", dpi=stated[name][1].dpi, metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
