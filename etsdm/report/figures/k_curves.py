"""K(t', t) against t, the paper's figure made again."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import BASELINE, NETWORK
from etsdm.report.figures.style import (
    NO_VALUES,
    Look,
    curves,
    empty,
    groups,
    legend_above,
    look,
    panels,
    short,
    ticks_at,
)
from etsdm.report.headings import heading
from etsdm.report.names import method_name
from etsdm.report.published import curves_of
from etsdm.report.results import Results

FEW = 4
"""Curves that a panel holds; more are divided by method, each beside ddpm."""
INSET = 1.8
"""Width of the inset's axis in inches."""
ROOM = 1.9
"""Height of the axis in largest values: the inset lies above every curve."""


def draw_k(results: Results, experiment: str) -> Figure:
    """A panel for each kind of network, or for each of its methods, and the published curve last.

    Args:
        results: the measurements.
        experiment: name of the experiment.
    """
    rows = results.experiment(experiment)
    rows = rows[(rows["metric"] == "K") & rows["value"].notna()]
    if rows.empty:
        return empty(NO_VALUES)
    looks, networks = look(rows, results.methods), groups(rows, NETWORK)
    parts = [
        ([heading(NETWORK, key, rows)] * (len(networks) > 1) + method, part, group["value"].max())
        for key, group in networks
        for method, part in _by_method(group)
    ]
    columns = 1 if len(parts) < 3 else 2
    published = curves_of(results.published, experiment)
    figure, axes = panels(len(parts) + (not published.empty), columns, 2.9 if columns == 1 else 2.3)
    end = results.block(experiment)["fine_until"]
    for panel, (title, part, largest) in zip(axes, parts, strict=False):
        _draw(panel, part, looks, end if columns == 1 else None, largest)
        panel.set_title("\n".join(title) or "measured")
    if not published.empty:
        _draw(
            axes[-1],
            published,
            looks | look(published, results.methods),
            100 if columns == 1 else None,
            published["value"].max(),
        )
        axes[-1].set_title("published: another network,\nphotographs of 256 px")
    legend_above(figure, axes[: len(parts)], heading(NETWORK, networks[0][0], rows) if len(networks) == 1 else None)
    return figure


def _by_method(group: pd.DataFrame) -> list[tuple[list[str], pd.DataFrame]]:
    """What a panel shows: everything, or one method, whose name it needs, and ddpm."""
    if group["method_label"].nunique() <= FEW:
        return [([], group)]
    others = [method for method in group["method"].unique() if method != BASELINE]
    return [([method_name(method)], group[group["method"].isin([BASELINE, method])]) for method in others]


def _draw(axes: Axes, group: pd.DataFrame, looks: Look, end: float | None, largest: float) -> None:
    """The curves, and around t = `end` once more in an inset."""
    curves(axes, group, "t", looks, clip_on=False)
    top = (1.1 if end is None else ROOM) * largest
    axes.set(xscale="log", xlabel="timestep t", ylabel="K(t', t)  [per step]", ylim=(0, top))
    axes.xaxis.set_major_formatter(short)
    if end is None:
        return
    near = group[(group["t"] >= 0.6 * end) & (group["t"] <= 2.2 * end)]
    if near["t"].nunique() > 1:
        _inset(axes, near, looks, end)


def _inset(axes: Axes, near: pd.DataFrame, looks: Look, end: float) -> None:
    inset = axes.inset_axes((0.5, 0.62, 0.49, 0.3))
    curves(inset, near, "t", looks)
    inset.set(xscale="log", xlim=(0.55 * end, 2.4 * end), ylim=(0, 1.15 * near["value"].max() or 1))
    inset.tick_params(labelsize=8)
    inset.set_title(f"around t = {end:g}", fontsize=8)
    times = sorted({near["t"].min(), end, near["t"].max()})
    ticks_at(inset, times, [f"{t:.0f}" for t in times], INSET)
