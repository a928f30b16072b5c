"""Lipschitz constants of several kinds against t, beside each other."""

from matplotlib.figure import Figure

from etsdm.report.cells import NETWORK
from etsdm.report.figures.style import (
    NO_VALUES,
    curves,
    empty,
    groups,
    legend_above,
    look,
    panels,
    short,
)
from etsdm.report.headings import heading
from etsdm.report.results import Results


def draw_constants(results: Results, experiment: str, metrics: dict[str, str]) -> Figure:
    """A row for each kind of network, a panel for each constant, up to t = `fine_until`.

    Args:
        results: the measurements.
        experiment: name of the experiment.
        metrics: what is drawn, and the name of its axis.
    """
    rows = results.experiment(experiment)
    rows = rows[(rows["t"] <= results.block(experiment)["fine_until"]) & rows["value"].notna()]
    if rows.empty:
        return empty(NO_VALUES)
    looks, networks = look(rows, results.methods), groups(rows, NETWORK)
    figure, axes = panels(len(networks) * len(metrics), len(metrics), 2.4)
    left = iter(axes)
    for key, group in networks:
        for metric, name in metrics.items():
            panel, mine = next(left), group[group["metric"] == metric]
            curves(panel, mine, "t", looks, clip_on=False)
            panel.set(xscale="log", xlabel="timestep t", ylabel=name, ylim=(0, 1.1 * mine["value"].max() or 1))
            panel.xaxis.set_major_formatter(short)
            if len(networks) > 1:
                panel.set_title(heading(NETWORK, key, rows))
    legend_above(figure, axes, heading(NETWORK, networks[0][0], rows) if len(networks) == 1 else None)
    return figure
