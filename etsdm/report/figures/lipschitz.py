"""K(t', t) against t, the paper's figure made again."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.figures.style import (
    NO_VALUES,
    Look,
    curves,
    empty,
    groups,
    heading,
    legend_above,
    look,
    panels,
    plain,
)
from etsdm.report.published import K_OF
from etsdm.report.results import Results

KEYS = ["dataset", "resolution", "time", "schedule", "prediction"]
ROOM = 1.9
"""Height of the axis in largest values: the inset lies above every curve."""


def draw(results: Results) -> Figure:
    """A panel for each kind of network, and the published curve last."""
    rows = results.experiment("lipschitz")
    rows = rows[(rows["metric"] == "K") & rows["value"].notna()]
    if rows.empty:
        return empty(NO_VALUES)
    looks, parts = look(rows), groups(rows, KEYS)
    figure, axes = panels(len(parts) + 1, 1 if len(parts) < 3 else 2, 2.9)
    end = results.block("lipschitz")["fine_until"]
    for panel, (key, group) in zip(axes, parts, strict=False):
        _draw(panel, group, looks, end)
        panel.set_title(f"measured: {heading(KEYS, key, rows)}")
    _draw(axes[-1], _published(), looks | look(_published()), 100)
    axes[-1].set_title("published: photographs of 256 px, another network")
    legend_above(figure, axes[:1])
    return figure


def _published() -> pd.DataFrame:
    """The paper's curves in the columns of `rows.csv`."""
    rows: list[dict[str, Any]] = [
        {"method": method, "method_label": method, "t": t, "value": k}
        for method, values in K_OF.items()
        for (_, t), k in values.items()
    ]
    return pd.DataFrame(rows)


def _draw(axes: Axes, group: pd.DataFrame, looks: Look, end: float) -> None:
    curves(axes, group, "t", looks, clip_on=False)
    axes.set(xscale="log", xlabel="timestep t", ylabel="K(t', t)  [per step]", ylim=(0, ROOM * group["value"].max()))
    axes.xaxis.set_major_formatter(plain)
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
    inset.set_xticks(times, [f"{t:.0f}" for t in times])
    inset.minorticks_off()
