"""What is known exactly: the derivative near t = 0, and the error of sharing against its bound."""

from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from etsdm.report.colours import SOFT
from etsdm.report.figures.style import MARKERS, NO_VALUES, empty, legend_above, panels, ticks_at
from etsdm.report.results import Results
from etsdm.report.text import number

KINDS = {False: "as they are", True: "modified: dα/dt = 0 at 0"}


def draw_derivative(results: Results, experiment: str) -> Figure:
    """E || d ε*/dt || against t for each schedule, as it is and modified, with a guide of slope -1/2."""
    theory = results.single(experiment)
    if theory is None:
        return empty(NO_VALUES)
    colours = _colours(theory["derivative"])
    figure, axes = panels(2, 2, 3.2, sharey=True)
    for panel, (flat, title) in zip(axes, KINDS.items(), strict=True):
        mine = [one for one in theory["derivative"] if one["flattened"] == flat]
        for i, one in enumerate(mine):
            t, mean = ([point[key] for point in one["points"]] for key in ("t", "mean"))
            panel.plot(t, mean, color=colours[one["schedule"]], lw=max(1.2, 3.2 - 0.5 * i), label=one["schedule"])
        panel.set(xscale="log", yscale="log", title=title, xlabel="t [steps]")
    axes[0].set_ylabel("E ‖d ε*/dt‖  [per step]")
    first = [one for one in theory["derivative"] if not one["flattened"]]
    _guide(axes[0], first)
    legend_above(figure, axes)
    return figure


def _guide(axes: Axes, plain_ones: list[dict[str, Any]]) -> None:
    """A line of slope -1/2 above the curves."""
    points = [one["points"] for one in plain_ones]
    t = np.array([point["t"] for point in points[0]])
    t = t[t <= 1]
    level = 3 * max(p["mean"] * np.sqrt(p["t"]) for line in points for p in line if p["t"] <= 1)
    axes.plot(t, level / np.sqrt(t), color=SOFT, ls="--", lw=1, label="slope −1/2")


def draw_sharing(results: Results, experiment: str) -> Figure:
    """Largest error and bound against n: a panel for each time and kind of schedule."""
    theory = results.single(experiment)
    if theory is None:
        return empty(NO_VALUES)
    colours = _colours(theory["sharing"])
    kinds = list(dict.fromkeys((one["time"], one["flattened"]) for one in theory["sharing"]))
    kinds.sort(key=lambda kind: kind[1])
    figure, axes = panels(len(kinds), 2, 2.9, sharey=True)
    for panel, (time, flat) in zip(axes, kinds, strict=True):
        mine = [one for one in theory["sharing"] if (one["time"], one["flattened"]) == (time, flat)]
        for i, one in enumerate(mine):
            _lines(panel, one, colours[one["schedule"]], MARKERS[i % len(MARKERS)])
        panel.set(xscale="log", yscale="log", title=f"{time} time\n{KINDS[flat]}", xlabel="n (sub-intervals)")
        ticks_at(panel, [1, 10, 100])
        orders = "\n".join(f"{one['schedule']}: {number(one['order'], 2)}" for one in mine)
        panel.text(0.03, 0.03, f"order in t̃/n\n{orders}", transform=panel.transAxes, fontsize=7, va="bottom")
    axes[0].set_ylabel("largest error")
    lines = [Line2D([], [], color=SOFT, ls=dash) for dash in ("-", "--")]
    figure.legend(lines, ["error", "bound"], loc="outside lower center", ncols=2, frameon=False)
    legend_above(figure, axes)
    return figure


def _lines(axes: Axes, one: dict[str, Any], colour: Any, marker: str) -> None:
    n, error, bound = (np.array([p[key] for p in one["points"]]) for key in ("n", "error_max", "bound_max"))
    error = np.where(error > 0, error, np.nan)  # with a sub-interval for each step there is no error
    axes.plot(n, error, color=colour, marker=marker, ms=4, lw=1.4, label=one["schedule"])
    axes.plot(n, bound, color=colour, ls="--", lw=1.2)


def _colours(curves: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(dict.fromkeys(one["schedule"] for one in curves))
    return dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
