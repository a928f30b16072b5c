"""Distances to the data, and errors of the solvers, against NFE."""

from textwrap import fill

from matplotlib.figure import Figure

from etsdm.report.cells import NETWORK
from etsdm.report.figures.style import (
    NO_VALUES,
    chosen_metrics,
    curves,
    empty,
    few_ticks,
    groups,
    legend_above,
    look,
    panels,
    ticks_at,
)
from etsdm.report.headings import heading
from etsdm.report.metrics import label
from etsdm.report.results import Results

LETTERS = 30
"""That a line of a panel's title holds."""
KEYS = [*NETWORK, "metric", "solver_label"]


def draw_by_nfe(results: Results, experiment: str, log: bool = False) -> Figure:
    """A panel for each solver, a line for each method.

    Args:
        results: the measurements.
        experiment: name of the experiment.
        log: whether the y axis is logarithmic.
    """
    rows = chosen_metrics(results.experiment(experiment).dropna(subset=["value"]))
    if rows.empty:
        return empty(NO_VALUES)
    looks, parts = look(rows, results.methods), groups(rows, KEYS)
    one = rows[KEYS[:-1]].drop_duplicates().shape[0] == 1
    figure, axes = panels(len(parts), 2, 2.3, sharey=one)
    for panel, (key, group) in zip(axes, parts, strict=True):
        curves(panel, group, "nfe", looks)
        where = "" if one else f"{heading(NETWORK, key[:-2], rows)}\n"
        panel.set(xscale="log", title=where + fill(key[-1], LETTERS))
        if log:
            panel.set_yscale("log")
            few_ticks(panel)
        budgets = sorted(group["nfe"].unique())
        ticks_at(panel, budgets)
        panel.margins(x=0.2 if len(budgets) < 2 else 0.1)
        if not one or panel.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            panel.set_ylabel(label(key[-2]))
    for panel in axes[-2:]:
        panel.set_xlabel("NFE (network evaluations)")
    legend_above(figure, axes[:1], heading(NETWORK, parts[0][0][:-2], rows) if one else None)
    return figure
