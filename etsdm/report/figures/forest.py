"""All primary claims at once: each change with its interval, and the published one."""

import math

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.colours import BAD, GOOD, INK, SOFT
from etsdm.report.figures.style import NO_VALUES, PAPER, WIDTH, empty, hint, legend_above
from etsdm.report.findings.finding import Finding
from etsdm.report.findings.judge import findings
from etsdm.report.results import Results
from etsdm.report.verdicts import YES

ROW = 0.3
"""Inches."""


def draw_forest(results: Results) -> Figure:
    """A row for each primary claim whose change is one in per cent.

    Args:
        results: the measurements.
    """
    shown = [one for one in findings(results) if one.role == "primary" and one.change and one.change.unit == "%"]
    shown = [one for one in shown if one.change and not math.isnan(one.change.mean)]
    if not shown:
        return empty(NO_VALUES)
    figure, axes = plt.subplots(figsize=(WIDTH, len(shown) * ROW + 1.2))
    for place, one in enumerate(shown):
        _draw(axes, one, place)
    axes.axvline(0, color=SOFT, lw=1)
    axes.set_yticks(range(len(shown)), [one.claim.experiment for one in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("change (%), primary claims alone")
    axes.grid(axis="y", visible=False)
    legend_above(figure, [axes])
    return figure


def _draw(axes: Axes, one: Finding, y: int) -> None:
    change = one.change
    assert change
    colour = {**dict.fromkeys(YES, GOOD), "opposite": BAD}.get(one.verdict, INK)
    axes.plot(change.mean, y, ls="", marker="o", ms=6, color=colour)
    hint(axes, change.mean, y, f"{one.claim.experiment}: {change.text}, {change.interval}; {one.verdict}")
    if not math.isnan(change.low):
        axes.plot([change.low, change.high], [y, y], color=colour, lw=1.6)
    if one.published is not None:
        axes.plot(change.shown(one.published), y, label="published", **PAPER)
