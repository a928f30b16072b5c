"""The change of x₀ under a perturbation of x_t."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import NETWORK
from etsdm.report.colours import SOFT
from etsdm.report.compare import Compared, compare
from etsdm.report.figures.style import (
    NO_VALUES,
    PAPER,
    Look,
    curves,
    empty,
    groups,
    hint,
    legend_above,
    look,
    panels,
    ticks_at,
)
from etsdm.report.headings import heading
from etsdm.report.metrics import directions
from etsdm.report.published import curves_of
from etsdm.report.results import Results


def draw_perturbations(results: Results, experiment: str, metrics: dict[str, str]) -> Figure:
    """For each kind of network the change of both x₀ and that against ddpm; the published change last.

    Args:
        results: the measurements.
        experiment: name of the experiment.
        metrics: the two metrics with their words; the paper has the first.
    """
    rows = results.experiment(experiment).dropna(subset=["value"])
    if rows.empty:
        return empty(NO_VALUES)
    looks, parts, compared = look(rows, results.methods), groups(rows, NETWORK), compare(results, experiment)
    first = next(iter(metrics))
    figure, axes = panels(3 * len(parts) + 1, 2, 2.5)
    for i, (key, group) in enumerate(parts):
        title = "" if len(parts) == 1 else f"\n{heading(NETWORK, key, rows)}"
        for panel, (metric, name) in zip(axes[3 * i :], metrics.items(), strict=False):
            curves(panel, group[group["metric"] == metric], "perturbation_std", looks)
            _finish(panel, group, f"{name}{title}", f"mean squared change\n({directions([metric])})")
        mine = [one for one in compared if tuple(one.cell[column] for column in NETWORK) == key]
        _relative(axes[3 * i + 2], [one for one in mine if one.cell["metric"] == first], looks)
        _finish(axes[3 * i + 2], group, f"{metrics[first]}{title}", "change against DDPM (%)", "linear")
    published = curves_of(results.published, experiment)
    curves(axes[-1], published, "perturbation_std", looks | look(published, results.methods))
    _finish(axes[-1], published, f"published, {metrics[first]}", "change (unit not known)")
    legend_above(figure, axes, heading(NETWORK, parts[0][0], rows) if len(parts) == 1 else None)
    return figure


def _finish(axes: Axes, group: pd.DataFrame, title: str, label: str, scale: Any = "log") -> None:
    axes.set(xscale="log", yscale=scale, title=title, xlabel="std of the noise on $x_t$", ylabel=label)
    ticks_at(axes, sorted(group["perturbation_std"].unique()))
    axes.tick_params(axis="x", labelsize=8)


def _relative(axes: Axes, compared: list[Compared], looks: Look) -> None:
    """Change against ddpm with its interval, and the paper's."""
    for label, colour_marker in looks.items():
        mine = [one for one in compared if one.cell["method_label"] == label and one.change]
        if not mine:
            continue
        colour, marker = colour_marker
        x = [one.cell["perturbation_std"] for one in mine]
        changes = [one.change for one in mine if one.change]
        axes.plot(x, [change.mean for change in changes], marker=marker, ms=4, color=colour)
        axes.vlines(x, [c.low for c in changes], [c.high for c in changes], color=colour, lw=1.3)
        for at, change in zip(x, changes, strict=True):
            hint(axes, at, change.mean, f"{label} at {at:g}: {change.text}, {change.interval}")
        papers = [math.nan if one.paper_change is None else one.paper_change for one in mine]
        axes.plot(x, papers, label="change in the paper", **PAPER)
    axes.axhline(0, color=SOFT, lw=1)
