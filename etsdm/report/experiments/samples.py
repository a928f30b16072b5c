"""Samples: generated images of each method side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etsdm.report.section import Figure, Section
from etsdm.report.sections import sections_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.results import Results

NAME = "samples"


def draw(results: Results) -> Canvas:
    """Images of the experiments whose images are shown."""
    from etsdm.report.figures.pictures import draw_samples

    return draw_samples(results, [one.name for one in sections_of(results.inventory) if one.samples])


def caption(results: Results) -> list[str]:
    """What is drawn."""
    return [
        f"The first images of seed {results.seeds[0]}, not selected: each starts from the same noise for "
        "every method and solver. Each solver is shown at its largest budget; pixels are enlarged, not "
        "smoothed. First, real images. At most 14 rows are shown.",
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
            dpi=140,  # many photographs: the page has to stay small
        ),
    ),
    shown=shown,
)
