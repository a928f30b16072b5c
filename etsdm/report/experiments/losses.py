"""Losses: the training curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etsdm.report import captions
from etsdm.report.section import Figure, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from etsdm.report.results import Results

NAME = "losses"


def draw(results: Results) -> Canvas:
    """Loss by images seen."""
    from etsdm.report.figures.losses import draw_losses

    return draw_losses(results)


def caption(results: Results) -> list[str]:
    """Settings."""
    training = results.config["training"]
    return [
        f"Mean squared error over {training['images']:,} images seen, batch {training['batch']}, learning rate "
        f"{training['learning_rate']:g}; averaged over at most 60 stretches. "
        "Right: change against DDPM's loss of the same seed; below: the quarter of the smallest t. "
        "Of each method the first settings, on at most four data sets; losses.csv holds all curves. "
        f"Line: mean over {captions.seed_words(results)}; band: lowest to highest seed.",
    ]


def shown(experiments: Sequence[Section]) -> bool:
    """Where networks are trained."""
    return any(one.trains for one in experiments)


SECTION = Section(
    name=NAME,
    title="Training",
    order=1020,
    figures=(Figure(NAME, "Training loss", "Training loss against images seen for each method", draw, caption),),
    shown=shown,
)
