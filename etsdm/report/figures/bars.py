"""Distances by data set."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import PROCESS, cells, rows_of
from etsdm.report.colours import INK
from etsdm.report.figures.style import (
    NO_VALUES,
    Look,
    chosen_metrics,
    empty,
    groups,
    hint,
    legend_above,
    look,
    panels,
)
from etsdm.report.headings import heading
from etsdm.report.metrics import axis_name, is_fid
from etsdm.report.published import published_value
from etsdm.report.results import Results
from etsdm.report.text import mean_sd

BARS = [*PROCESS, "metric", "solver_label", "nfe"]


def draw_bars(results: Results, experiment: str) -> Figure:
    """Bars of the mean distance by data set and method, every seed a point, the paper's FID a dash.

    Args:
        results: the measurements.
        experiment: name of the experiment.
    """
    rows = chosen_metrics(results.experiment(experiment).dropna(subset=["value"]))
    if rows.empty:
        return empty(NO_VALUES)
    looks, parts = look(rows, results.methods), groups(rows, BARS)
    figure, axes = panels(len(parts), 1 if len(parts) < 4 else 2, 2.8)
    for panel, (key, group) in zip(axes, parts, strict=True):
        _bars(panel, group, looks)
        _dashes(panel, results, group, list(looks))
        metric, solver, nfe = key[-3:]
        varying = heading(PROCESS, key[: len(PROCESS)], rows)
        panel.set(ylabel=axis_name(metric), title=", ".join(filter(None, [varying, f"solver {solver}, {nfe:.0f} NFE"])))
    legend_above(figure, axes[:1])
    return figure


def _places(group: pd.DataFrame, methods: list[str]) -> list[tuple[str, float, pd.DataFrame]]:
    """Method, place on the x axis and rows of each bar."""
    datasets = list(dict.fromkeys(zip(group["dataset"], group["resolution"], strict=True)))
    places = []
    for i, label in enumerate(methods):
        for place, (dataset, side) in enumerate(datasets):
            is_mine = (group["method_label"] == label) & (group["dataset"] == dataset) & (group["resolution"] == side)
            x = place + (i - (len(methods) - 1) / 2) * 0.8 / len(methods)
            places.append((label, x, group[is_mine]))
    return [place for place in places if len(place[2])]


def _bars(axes: Axes, group: pd.DataFrame, looks: Look) -> None:
    width, named = 0.72 / len(looks), set()
    for label, x, mine in _places(group, list(looks)):
        values = mine["value"]
        axes.bar(x, values.mean(), width, color=looks[label][0], alpha=0.85, label=None if label in named else label)
        named.add(label)
        hint(axes, x, values.mean(), f"{label}: {mean_sd(values.mean(), values.std())} (n = {len(values)})")
        if len(values) > 1:
            axes.errorbar(x, values.mean(), values.std(), color=INK, capsize=4, lw=1.2)
        axes.plot(np.full(len(values), x), values, ls="", marker="o", ms=3.5, mfc="white", mec=INK)
    datasets = list(dict.fromkeys(zip(group["dataset"], group["resolution"], strict=True)))
    axes.set_xticks(range(len(datasets)), [f"{name}\n{side} px" for name, side in datasets])
    axes.set_xlim(-0.9, len(datasets) - 0.1)
    axes.grid(axis="x", visible=False)


def _dashes(axes: Axes, results: Results, group: pd.DataFrame, methods: list[str]) -> None:
    """The paper's FIDs, where FIDs are measured."""
    label: str | None = "paper"
    for _, x, mine in _places(group, methods):
        paper = published_value(results.published, rows_of(cells(mine))[0])
        if paper is not None and is_fid(mine["metric"].iloc[0]):
            axes.plot(x, paper, ls="", marker="_", ms=18, mew=2, color=INK, label=label)
            label = None
