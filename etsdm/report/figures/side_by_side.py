"""Several measures of each method side by side: a row a method, a panel a measure."""

import math
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.changes import Change
from etsdm.report.colours import SOFT
from etsdm.report.figures.style import MARKERS, NO_VALUES, WIDTH, empty, hint, legend_above
from etsdm.report.results import Results
from etsdm.report.side_by_side import CONSTANTS, DISTANCE, Side, sides

ROW = 0.34
"""Inches."""
LINE = 16
"""Characters of a line below a panel."""


def draw_side_by_side(results: Results, experiment: str) -> Figure:
    """Changes against ddpm: those that are told most first, a colour for each prediction.

    Args:
        results: the measurements.
        experiment: name of the experiment.
    """
    all_sides = sides(results, experiment)
    if not all_sides:
        return empty(NO_VALUES)
    measures = [name for name in (DISTANCE, *CONSTANTS) if any(name in side.changes for side in all_sides)]
    rows = list(dict.fromkeys((side.label, side.conditions) for side in all_sides))
    kinds = list(dict.fromkeys(str(side.network["prediction"]) for side in all_sides))
    colours = dict(zip(kinds, sns.color_palette("colorblind", len(kinds)), strict=True))
    figure, axes = plt.subplots(1, len(measures), figsize=(WIDTH, len(rows) * ROW + 1.4), sharey=True, squeeze=False)
    for panel, measure in zip(axes.flat, measures, strict=True):
        for side in all_sides:
            place = kinds.index(str(side.network["prediction"]))
            y = rows.index((side.label, side.conditions)) + (place - (len(kinds) - 1) / 2) * 0.25
            colour = colours[kinds[place]]
            _point(panel, side, measure, y, colour, MARKERS[place % len(MARKERS)])
        panel.axvline(0, color=SOFT, lw=1)
        panel.set(xlabel=f"{fill(measure, LINE)}\nchange (%)")
        panel.grid(axis="y", visible=False)
        panel.margins(x=0.12)
    first = axes.flat[0]
    first.set_yticks(range(len(rows)), [f"{label}\n{_told(count)}" if count else label for label, count in rows])
    first.tick_params(axis="y", labelsize=8)
    first.set_ylim(len(rows) - 0.4, -0.6)
    legend_above(figure, list(axes.flat), "against DDPM; the network predicts")
    return figure


def _told(count: int) -> str:
    return "told 1 time" if count == 1 else f"told {count:,} times"


def _point(axes: Axes, side: Side, measure: str, y: float, colour: Any, marker: str) -> None:
    change: Change | None = side.changes.get(measure)
    if change is None or change.unit != "%" or math.isnan(change.mean):
        return
    axes.plot(change.mean, y, ls="", marker=marker, ms=5, color=colour, label=str(side.network["prediction"]))
    hint(axes, change.mean, y, f"{side.label}, {side.network['prediction']}: {change.text}, {change.interval}")
    if not math.isnan(change.low):
        axes.plot([change.low, change.high], [y, y], color=colour, lw=1.3)
