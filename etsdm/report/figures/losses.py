"""Training losses."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from etsdm.report.cells import BASELINE, PROCESS
from etsdm.report.colours import SOFT
from etsdm.report.figures.style import (
    Look,
    empty,
    few_ticks,
    groups,
    legend_above,
    look,
    panels,
)
from etsdm.report.headings import heading
from etsdm.report.names import method_name
from etsdm.report.results import Results
from etsdm.report.text import short_count

KEYS = ["task", "dataset", "resolution"]
DASHES = ["-", "--", "-.", ":"]
"""Of the quarters of the timesteps."""
POINTS = 60
"""Points of a loss curve, each a mean over an equal stretch of the training."""
PANELS = 4
"""Data sets shown at most."""


def thinned(curve: pd.DataFrame, points: int = POINTS) -> pd.DataFrame:
    """A training curve as means over at most `points` equal stretches of images."""
    last = curve["images"].max()
    part = np.minimum((curve["images"] / last * points).astype(int), points - 1)
    return curve.groupby(part).mean(numeric_only=True)


def draw_losses(results: Results) -> Figure:
    """Loss by images seen, and what it differs by from ddpm's: each method once, on the first few data sets.

    Above the loss as a whole; below, of ddpm, by quarter of the timesteps, and the differences in the first quarter.
    """
    if results.losses.empty:
        return empty("No training curves: see the failed cells.")
    parts = [(key, _shown(group)) for key, group in groups(results.losses, KEYS)][:PANELS]
    looks = look(pd.concat([group for _, group in parts]), results.methods)
    quarters = sorted(str(column) for column in results.losses if str(column).startswith("loss_q"))
    figure, axes = panels(4 * len(parts), 2, 2.1)
    for i, (key, group) in enumerate(parts):
        whole, whole_change, quarter, quarter_change = axes[4 * i : 4 * i + 4]
        _lines(whole, group, looks, "loss", "-")
        whole.set(title=f"{heading(KEYS, key, results.losses)}\n{', '.join(group[PROCESS[:3]].iloc[0])}")
        first = group[group["method"] == (BASELINE if BASELINE in set(group["method"]) else group["method"].iloc[0])]
        for column, dash in zip(quarters, DASHES, strict=True):
            _lines(quarter, first, looks, column, dash)
        quarter.set(title=f"{first['method_label'].iloc[0]}, by quarter of the timesteps")
        for panel in (whole, quarter):
            panel.set(yscale="log", ylabel="loss\n(lower is better)")
            few_ticks(panel)
        for panel, column, title in (
            (whole_change, "loss", "all timesteps"),
            (quarter_change, quarters[0], "first quarter"),
        ):
            _changes(panel, group, looks, column)
            panel.set(title=title, ylabel="change (%)\n(lower is better)")
        for panel in (whole, whole_change, quarter, quarter_change):
            _finish(panel)
    _quarters(figure, results.config["diffusion"]["timesteps"], len(quarters))
    legend_above(figure, axes)
    return figure


def _shown(group: pd.DataFrame) -> pd.DataFrame:
    """Of each method the first network: the first diffusion process, the first settings of the method."""
    first = group.iloc[0]
    group = group[(group[PROCESS] == first[PROCESS]).all(axis=1)]
    settings = group.drop_duplicates("method")[["method", "method_parameters"]]
    return group.merge(settings, on=["method", "method_parameters"]).assign(
        method_label=lambda table: table["method"].map(method_name)
    )


def _lines(axes: Axes, group: pd.DataFrame, looks: Look, column: str, dash: str) -> None:
    for label, runs in group.groupby("method_label", sort=False):
        curves = pd.concat([thinned(run) for _, run in runs.groupby("seed")])
        by_part = curves.groupby(level=0)
        x, y = by_part["images"].mean(), by_part[column]
        colour = looks[str(label)][0]
        axes.plot(x, y.mean(), color=colour, ls=dash, lw=1.4, label=str(label))
        axes.fill_between(x, y.min(), y.max(), color=colour, alpha=0.15, lw=0)


def _changes(axes: Axes, group: pd.DataFrame, looks: Look, column: str) -> None:
    """What each method's loss differs by from ddpm's of the same seed, in per cent."""
    axes.axhline(0, color=SOFT, lw=1)
    base = {seed: thinned(run) for seed, run in group[group["method"] == BASELINE].groupby("seed")}
    for label, runs in group[group["method"] != BASELINE].groupby("method_label", sort=False):
        both = [(thinned(run), base[seed]) for seed, run in runs.groupby("seed") if seed in base]
        if not both:
            continue
        x = both[0][1]["images"]
        changes = pd.concat([100 * (mine[column] / ddpm[column] - 1) for mine, ddpm in both], axis=1)
        colour = looks[str(label)][0]
        axes.plot(x, changes.mean(axis=1).reindex(x.index), color=colour, lw=1.4, label=str(label))
        low, high = changes.min(axis=1).reindex(x.index), changes.max(axis=1).reindex(x.index)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    if not axes.get_legend_handles_labels()[0]:
        axes.text(
            0.5, 0.6, f"no method beside {method_name(BASELINE)}", transform=axes.transAxes, ha="center", fontsize=9
        )


def _finish(axes: Axes) -> None:
    axes.set_xlabel("images seen")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda count, _: short_count(count))


def _quarters(figure: Figure, steps: int, count: int) -> None:
    """The legend of the dashes."""
    edges = [i * steps // count for i in range(count + 1)]
    handles: list[Any] = [Line2D([], [], color=SOFT, ls=dash) for dash in DASHES]
    names = [f"t = {low} to {high - 1}" for low, high in pairwise(edges)]
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
