"""Distances to the data, and errors of the solvers, against NFE."""

from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import NETWORK
from etsdm.report.figures.style import (
    NO_VALUES,
    Look,
    chosen_metrics,
    curves,
    empty,
    few_ticks,
    groups,
    hint,
    legend_above,
    look,
    panels,
    ticks_at,
)
from etsdm.report.headings import heading
from etsdm.report.metrics import axis_name
from etsdm.report.results import Results
from etsdm.report.text import mean_sd

LETTERS = 30
"""That a line of a panel's title holds."""
KEYS = [*NETWORK, "metric", "solver_label"]


def draw_by_nfe(results: Results, experiment: str, log: bool = False) -> Figure:
    """A panel for each solver, a line for each method; solvers of one budget stand together in a panel of their own.

    Args:
        results: the measurements.
        experiment: name of the experiment.
        log: whether the y axis is logarithmic.
    """
    rows = chosen_metrics(results.experiment(experiment).dropna(subset=["value"]))
    if rows.empty:
        return empty(NO_VALUES)
    looks = look(rows, results.methods)
    budgets = rows.groupby(KEYS, dropna=False, sort=False)["nfe"].transform("nunique")
    several, alone = groups(rows[budgets > 1], KEYS), groups(rows[budgets == 1], KEYS[:-1])
    one = rows[KEYS[:-1]].drop_duplicates().shape[0] == 1
    figure, axes = panels(len(several) + len(alone), 2, 2.3, sharey=one)
    for panel, (key, group) in zip(axes, several, strict=False):
        curves(panel, group, "nfe", looks)
        panel.set(xscale="log", title=_where(key[:-2], rows, one) + fill(key[-1], LETTERS))
        budgets_of = sorted(group["nfe"].unique())
        ticks_at(panel, budgets_of)
        panel.margins(x=0.1)
        panel.set_xlabel("NFE (network evaluations)")
    for panel, (key, group) in zip(axes[len(several) :], alone, strict=True):
        _side_by_side(panel, group, looks)
        panel.set_title(f"{_where(key[:-1], rows, one)}one budget")
    for panel, (key, _) in zip(axes, [*several, *alone], strict=True):
        if log:
            panel.set_yscale("log")
            few_ticks(panel)
        if not one or panel.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            panel.set_ylabel(axis_name(key[KEYS.index("metric")]))
    legend_above(figure, axes, heading(NETWORK, tuple(rows[NETWORK].iloc[0]), rows) if one else None)
    return figure


def _where(network: tuple[object, ...], rows: pd.DataFrame, one: bool) -> str:
    return "" if one else f"{heading(NETWORK, network, rows)}\n"


def _side_by_side(axes: Axes, rows: pd.DataFrame, looks: Look) -> None:
    """Solvers of one budget each beside each other, and in each the methods."""
    solvers = rows[["solver_label", "nfe"]].drop_duplicates().itertuples(index=False, name=None)
    names = {solver: f"{solver}\n{nfe:.0f} NFE" for solver, nfe in solvers}
    methods = list(looks)
    for (solver, method), group in rows.groupby(["solver_label", "method_label"], sort=False):
        x = list(names).index(solver) + (methods.index(str(method)) - (len(methods) - 1) / 2) * 0.6 / len(methods)
        colour, marker = looks[str(method)]
        values = group["value"]
        axes.plot([x] * len(values), values, ls="", marker=marker, ms=2.5, color=colour, alpha=0.35)
        axes.plot(x, values.mean(), ls="", marker=marker, ms=5, color=colour, label=str(method))
        hint(axes, x, values.mean(), f"{method}: {mean_sd(values.mean(), values.std())} (n = {len(values)})")
    axes.set_xticks(range(len(names)), list(names.values()))
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.tick_params(axis="x", labelsize=8, rotation=30 if len(names) > 1 else 0)
