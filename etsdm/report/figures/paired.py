"""Levels and changes side by side: a row a condition, its methods' levels, and their changes against ddpm."""

import math
from collections.abc import Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import SETTING, rows_of
from etsdm.report.colours import SOFT
from etsdm.report.compare import Compared, compare
from etsdm.report.figures.style import (
    NO_VALUES,
    PAPER,
    WIDTH,
    Look,
    chosen_metrics,
    empty,
    groups,
    hint,
    legend_above,
    look,
)
from etsdm.report.headings import WORDS, heading
from etsdm.report.metrics import axis_name
from etsdm.report.results import Results
from etsdm.report.text import mean_sd

BLOCK = [*SETTING[1:], "solver_label", "nfe", "metric"]
"""What a block of rows has in common, but for what its rows differ in."""
ROW = 0.32
"""Inches. Two lines of a name fit."""
LETTERS = 32
"""The longest line of a name: more would take the panels' room."""


def draw_paired(results: Results, experiment: str, by: Sequence[str]) -> Figure:
    """Blocks of rows; in each block the levels on the left and the changes against ddpm on the right.

    Args:
        results: the measurements.
        experiment: name of the experiment.
        by: the columns that the rows of a block differ in.
    """
    compared = compare(results, experiment)
    frame = pd.DataFrame([one.cell | {"compared": one} for one in compared])
    frame = chosen_metrics(frame[frame["n"] > 0])
    if frame.empty:
        return empty(NO_VALUES)
    columns = [column for column in BLOCK if column not in by]
    parts, looks = groups(frame, columns), look(frame, results.methods)
    counts = [len(group[list(by)].drop_duplicates()) for _, group in parts]
    figure, axes = plt.subplots(
        len(parts),
        2,
        figsize=(WIDTH, sum(counts) * ROW + len(parts) * 0.75 + 0.6),
        squeeze=False,
        sharey="row",
        height_ratios=[count + 0.8 for count in counts],
    )
    for (key, group), (levels, changes) in zip(parts, axes, strict=True):
        _draw(levels, changes, group, by, looks)
        levels.set_title(heading(columns[:-1], key[:-1], frame), loc="left")
        levels.set_xlabel(axis_name(key[-1]))
    legend_above(figure, list(axes.flat))
    return figure


def _draw(levels: Axes, changes: Axes, group: pd.DataFrame, by: Sequence[str], looks: Look) -> None:
    rows = groups(group, list(by))
    for place, (_, cells) in enumerate(rows):
        middle = (len(cells) - 1) / 2
        for i, cell in enumerate(rows_of(cells)):
            one: Compared = cell["compared"]
            y = place + (i - middle) * min(0.3, 0.8 / len(cells))
            colour, marker = looks[cell["method_label"]]
            label = None if "method_label" in by else cell["method_label"]
            levels.errorbar(
                cell["mean"], y, xerr=_spread(cell["sd"]), color=colour, marker=marker, ms=5, lw=1.3, label=label
            )
            levels.plot(
                list(cell["by_seed"].values()), [y] * cell["n"], ls="", marker="|", ms=6, color=colour, alpha=0.6
            )
            hint(
                levels,
                cell["mean"],
                y,
                f"{cell['method_label']}: {mean_sd(cell['mean'], cell['sd'])} (n = {cell['n']})",
            )
            _change(changes, one, y, colour, marker)
    unit = next((one.change.unit for one in group["compared"] if one.change), "%")
    changes.set_xlabel(f"change ({unit})" if unit else "change")
    changes.set_title("against DDPM", loc="left")
    changes.axvline(0, color=SOFT, lw=1)
    levels.set_yticks(range(len(rows)), [fill(_row_label(by, key), LETTERS) for key, _ in rows])
    levels.set_ylim(len(rows) - 0.4, -0.6)
    for axes in (levels, changes):
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.08)


def _spread(sd: float) -> float | None:
    return None if math.isnan(sd) else sd


def _change(axes: Axes, one: Compared, y: float, colour: object, marker: str) -> None:
    if one.change and one.change.unit == "%" and not math.isnan(one.change.mean):
        axes.plot(one.change.mean, y, marker=marker, ms=5, color=colour, ls="")
        if not math.isnan(one.change.low):
            axes.plot([one.change.low, one.change.high], [y, y], color=colour, lw=1.3)
        hint(axes, one.change.mean, y, f"{one.cell['method_label']}: {one.change.text}, {one.change.interval}")
    if one.paper_change is not None:
        axes.plot(one.paper_change, y, label="change in the paper", **PAPER)


def _row_label(by: Sequence[str], key: tuple[object, ...]) -> str:
    words = [WORDS.get(column, "{}") for column in by]
    return ", ".join(word.format(value) for word, value in zip(words, key, strict=True)).replace(" time", "")
