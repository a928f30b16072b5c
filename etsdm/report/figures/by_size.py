"""E-TSDM's gain, and K, against the size of the images."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import PROCESS, rows_of
from etsdm.report.colours import SOFT
from etsdm.report.compare import Compared, compare
from etsdm.report.figures.style import NO_VALUES, Look, curve, empty, hint, legend_above, look, panels, ticks_at
from etsdm.report.metrics import is_frechet
from etsdm.report.results import Results
from etsdm.report.text import MINUS

LINES = ["dataset", *PROCESS, "method_label"]
DASHES = ["-", "--", "-.", ":"]


def draw_by_size(results: Results, experiment: str) -> Figure:
    """Change of the distance against ddpm, and K / sqrt(d), against the number of pixels.

    Args:
        results: the measurements.
        experiment: name of the experiment.
    """
    rows = results.experiment(experiment).dropna(subset=["value"])
    if rows.empty:
        return empty(NO_VALUES)
    looks, sides = look(rows, results.methods), sorted(rows["resolution"].unique())
    figure, (gain, near, largest) = panels(3, 1, 2.4)
    _gain(gain, compare(results, experiment), looks)
    k = rows[rows["metric"] == "K-per-sqrt-dimension"]
    fine = k[k["t"] <= results.block(experiment)["fine_until"]]
    _k(near, fine[fine["t"] == fine["t"].min()], looks)
    near.set(title=f"at t = {fine['t'].min():.0f}", ylabel="K / √d")
    _k(largest, fine.loc[fine.groupby([*LINES, "resolution", "seed"])["value"].idxmax()], looks)
    largest.set(title=f"largest up to t = {fine['t'].max():.0f}", ylabel="K / √d")
    for axes in (gain, near, largest):
        axes.set_xscale("log")
        ticks_at(axes, [side**2 for side in sides], [f"{side}×{side}" for side in sides])
        axes.margins(x=0.1)
    largest.set_xlabel("pixels")
    legend_above(figure, [gain, near])
    return figure


def _gain(axes: Axes, compared: list[Compared], looks: Look) -> None:
    """Change against ddpm with its interval: a line for each method, solver and budget."""
    rows = [
        one.cell | {"low": one.change.low, "high": one.change.high, "change": one.change.mean}
        for one in compared
        if one.change and is_frechet(one.cell["metric"]) and not math.isnan(one.change.mean)
    ]
    axes.axhline(0, color=SOFT, lw=1)
    axes.set(title="distance", ylabel="change against DDPM (%)")
    frame = pd.DataFrame(rows, columns=[*LINES, "metric", "solver_label", "nfe", "resolution", "change", "low", "high"])
    lines = frame.groupby([*LINES, "metric", "solver_label", "nfe"], sort=False)
    for i, (_, group) in enumerate(lines):
        first = group.iloc[0]
        colour, marker = looks[first["method_label"]]
        pixels = group["resolution"] ** 2
        name = f"{first['method_label']}, {first['solver_label']} at {first['nfe']:.0f} NFE"
        axes.plot(pixels, group["change"], marker=marker, ms=4, color=colour, ls=DASHES[i % 4], label=name)
        for row in rows_of(group):
            interval = f"{row['change']:+.1f} %, {row['low']:+.1f} to {row['high']:+.1f}"
            hint(axes, row["resolution"] ** 2, row["change"], f"{name}: {interval}".replace("-", MINUS))
        axes.vlines(pixels, group["low"], group["high"], color=colour, lw=1.3, alpha=0.7)


def _k(axes: Axes, rows: pd.DataFrame, looks: Look) -> None:
    for label, group in rows.assign(pixels=rows["resolution"] ** 2).groupby("method_label", sort=False):
        curve(axes, group, "pixels", *looks[str(label)], label=str(label))
    axes.set_ylim(bottom=0)
