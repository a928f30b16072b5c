"""E-TSDM's own settings as a heat map."""

import json

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import COMPARED
from etsdm.report.compare import compare
from etsdm.report.figures.style import NO_VALUES, chosen_metrics, empty, groups, panels
from etsdm.report.headings import heading
from etsdm.report.results import Results
from etsdm.report.text import MINUS

KEYS = [column for column in COMPARED if column not in ("experiment", "solver", "solver_parameters")][:-3]


def draw_heat_map(results: Results, experiment: str) -> Figure:
    """A panel for each solver and budget: the change against ddpm by t_tilde and n, and its 95 % interval.

    Args:
        results: the measurements.
        experiment: name of the experiment.
    """
    cells = [
        one.cell
        | json.loads(one.cell["method_parameters"])
        | {"change": one.change.mean, "low": one.change.low, "high": one.change.high}
        for one in compare(results, experiment)
        if one.change and one.change.unit == "%" and not np.isnan(one.change.mean)
    ]
    if not cells:
        return empty(NO_VALUES)
    rows = chosen_metrics(pd.DataFrame(cells))
    parts, limit = groups(rows, KEYS), float(rows["change"].abs().max()) or 1.0
    sides = [rows[key].nunique() for key in ("t_tilde", "n")]
    figure, axes = panels(len(parts), 1 if len(parts) == 1 or sides[1] > 4 else 2, 0.55 * sides[0] + 1.0)
    for panel, (key, group) in zip(axes, parts, strict=True):
        _draw(panel, group, limit)
        panel.set_title(heading(KEYS, key, rows))
    bar = figure.colorbar(axes[0].collections[0], ax=axes, shrink=0.8, location="bottom", aspect=40)
    bar.set_label(f"change of {rows['metric'].iloc[0]} against DDPM (%), blue is better")
    return figure


def _draw(axes: Axes, group: pd.DataFrame, limit: float) -> None:
    change, low, high = (group.pivot(index="t_tilde", columns="n", values=name) for name in ("change", "low", "high"))
    sns.heatmap(
        change,
        ax=axes,
        annot=_annotations(change, low, high),
        fmt="",
        cmap=sns.color_palette("vlag", as_cmap=True),
        vmin=-limit,
        vmax=limit,
        linewidths=1,
        cbar=False,
        annot_kws={"fontsize": 8},
    )
    axes.set(xlabel="n (sub-intervals)", ylabel="t̃")
    axes.tick_params(axis="y", rotation=0, length=0)
    axes.tick_params(axis="x", length=0)


def _annotations(change: pd.DataFrame, low: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
    texts = change.astype(object)
    for place in np.ndindex(change.shape):
        mean, ends = change.to_numpy()[place], (low.to_numpy()[place], high.to_numpy()[place])
        text = (
            ""
            if np.isnan(mean)
            else f"{mean:+.1f}" + ("" if np.isnan(ends[0]) else "\n{:+.1f} to {:+.1f}".format(*ends))
        )
        texts.iloc[place] = text.replace("-", MINUS)
    return texts
