"""Figures as files."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from etsdm.report.contents import figure_names
from etsdm.report.figures import (
    ablation,
    distances,
    lipschitz,
    losses,
    pictures,
    progress,
    resolution,
    stability,
    theory,
)
from etsdm.report.figures.by_nfe import draw_by_nfe
from etsdm.report.figures.paired import draw_paired
from etsdm.report.figures.style import STYLE
from etsdm.report.results import Results, load

DRAW: dict[str, Callable[[Results], Figure]] = {
    "lipschitz": lipschitz.draw,
    "datasets": distances.draw,
    "fast-sampling": partial(draw_by_nfe, experiment="fast-sampling"),
    "fast-sampling-changes": partial(draw_paired, experiment="fast-sampling", by=("solver_label", "nfe")),
    "schedules": partial(draw_paired, experiment="schedules", by=("schedule", "time")),
    "predictions": partial(draw_paired, experiment="predictions", by=("prediction",)),
    "alternatives": partial(draw_paired, experiment="alternatives", by=("method_label",)),
    "ablation": ablation.draw,
    "stability": stability.draw,
    "super-resolution": pictures.draw_restored,
    "solver-error": partial(draw_by_nfe, experiment="solver-error", log=True),
    "resolution": resolution.draw,
    "progress": progress.draw,
    "theory-derivative": theory.draw_derivative,
    "theory-sharing": theory.draw_sharing,
    "samples": pictures.draw_samples,
    "losses": losses.draw,
}


DPI = {"samples": 140}
"""Dots per inch of figures that hold many photographs: the page has to stay small."""


def draw(results: Results) -> Iterator[tuple[str, Figure]]:
    """Names and figures, as `contents.figure_names` lists them; each is closed when the next is asked for."""
    with matplotlib.rc_context(STYLE):
        for name in figure_names(results.inventory):
            figure = DRAW[name](results)
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
    for name, figure in draw(load(report, results, published)):
        figure.savefig(folder / f"{name}.png", dpi=DPI.get(name, 200), metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
