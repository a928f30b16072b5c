"""All changes as drawings: one for each metric, in it each cell with its interval."""

import math

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import Cell
from etsdm.report.colours import BAD, GOOD, SOFT
from etsdm.report.differences.lists import varying, words
from etsdm.report.differences.matching import Matched
from etsdm.report.figures.style import STYLE, WIDTH, hint
from etsdm.report.figures.write import as_svg
from etsdm.report.metrics import better

ROW, LINE = 0.24, 0.07
"""Inches of a cell with its name beside it, and without."""
NAMED = 30
"""Cells in a panel up to which they have names."""
TALLEST = 60.0
"""Inches."""


def drawings(matched: list[Matched]) -> list[tuple[str, str]]:
    """Each metric and its drawing as SVG, one for each unit of its changes; none where all values are the same.

    Args:
        found: cells that both benchmarks have.
    """
    panels: dict[tuple[str, str], list[Matched]] = {}
    for one in matched:
        if not one.same and math.isfinite(one.change.mean):
            panels.setdefault((one.cell["metric"], one.change.unit), []).append(one)
    with matplotlib.rc_context(STYLE):
        return [(metric, _drawn(cells)) for (metric, _), cells in panels.items()]


def _drawn(cells: list[Matched]) -> str:
    canvas = _draw(cells)
    try:
        return as_svg(canvas)
    finally:
        plt.close(canvas)


def _draw(cells: list[Matched]) -> Figure:
    """A row for each cell."""
    named = len(cells) <= NAMED
    height = min(TALLEST, len(cells) * (ROW if named else LINE))
    figure, axes = plt.subplots(figsize=(WIDTH, height + 0.9))
    axes.axvline(0, color=SOFT, lw=1)
    names = _names([one.cell for one in cells])
    for y, (one, name) in enumerate(zip(cells, names, strict=True)):
        _row(axes, y, one, name)
    axes.set_yticks(range(len(cells)) if named else [], names if named else [])
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.set_xlim(*_limits(cells))
    unit = cells[0].change.unit
    axes.set_xlabel(f"change ({unit})" if unit else "change")
    axes.grid(axis="y", visible=False)
    return figure


def _names(cells: list[Cell]) -> list[str]:
    """Each cell in words, with its experiment where they would not tell all cells apart."""
    columns = varying(cells)
    names = [words(cell, columns) for cell in cells]
    if len(set(names)) == len(names):
        return names
    return [f"{cell['experiment']}: {name}" for cell, name in zip(cells, names, strict=True)]


def _row(axes: Axes, y: int, one: Matched, name: str) -> None:
    gain = one.change.effect * better(one.cell["metric"]) > 0
    colour = (GOOD if gain else BAD) if one.differs else SOFT
    axes.plot(one.change.mean, y, ls="", marker="o", ms=4, color=colour, mfc=colour if one.differs else "none")
    if math.isfinite(one.change.low) and math.isfinite(one.change.high):
        axes.plot([one.change.low, one.change.high], [y, y], color=colour, lw=1.3)
    interval = one.change.interval or "no interval"
    hint(axes, one.change.mean, y, f"{name}: {one.change.text}, {interval}")


def _limits(cells: list[Matched]) -> tuple[float, float]:
    """Room for 0 and every mean; intervals of few seeds can be far longer, and are cut."""
    most = max(abs(one.change.mean) for one in cells) * 2.5 or 1.0
    ends = [end for one in cells for end in (one.change.low, one.change.high) if math.isfinite(end)]
    low, high = (max(min([0.0, *ends]), -most), min(max([0.0, *ends]), most)) if ends else (-most, most)
    room = 0.05 * (high - low)
    return low - room, high + room
