"""Samples: generated images of each method side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etsdm.report.section import Figure, Section
from etsdm.report.sections import sections_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.results import Results
    from etsdm.report.sheets import Picker

NAME = "samples"


def draw(results: Results) -> Canvas:
    """Images of the experiments whose images are shown."""
    from etsdm.report.figures.pictures import draw_samples

    return draw_samples(results, [one.name for one in sections_of(results.inventory) if one.samples])


def choose(results: Results) -> Picker:
    """The same images, and those of all budgets and seeds."""
    from etsdm.report.sheets import picker

    return picker(results, [one.name for one in sections_of(results.inventory) if one.samples])


def caption(results: Results) -> list[str]:
    """What is drawn."""
    return [
        "The first images of each seed, not selected. Images at one place start from the same noise for every method, "
        "solver and number of evaluations. Real images are drawn from all classes by a seed.",
        f"Nearest training images, of seed {results.seeds[0]}: by the features of the distance's encoder.",
        f"The files show seed {results.seeds[0]}, each solver at its largest budget, 14 rows at most.",
    ]


def shown(experiments: Sequence[Section]) -> bool:
    """Where the images of an experiment are shown."""
    return any(one.samples for one in experiments)


SECTION = Section(
    name=NAME,
    title="Samples",
    order=1010,
    figures=(
        Figure(
            NAME,
            "Samples",
            "Generated images of each method side by side",
            draw,
            caption,
            picture=True,
            dpi=140,
            picker=choose,
        ),
    ),
    shown=shown,
)
