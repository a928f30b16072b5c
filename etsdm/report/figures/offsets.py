"""The error of the predicted x₀ against what is added to t in the condition."""

from matplotlib.figure import Figure

from etsdm.report.cells import NETWORK
from etsdm.report.figures.style import (
    NO_VALUES,
    curves,
    empty,
    few_ticks,
    groups,
    legend_above,
    look,
    panels,
)
from etsdm.report.headings import heading
from etsdm.report.metrics import directions
from etsdm.report.results import Results


def draw_offsets(results: Results, experiment: str, metric: str) -> Figure:
    """A panel for each kind of network and each t, a line for each method.

    Args:
        results: the measurements.
        experiment: name of the experiment.
        metric: what is drawn.
    """
    rows = results.experiment(experiment)
    rows = rows[(rows["metric"] == metric) & rows["value"].notna()]
    if rows.empty:
        return empty(NO_VALUES)
    looks, parts = look(rows, results.methods), groups(rows, [*NETWORK, "t"])
    one = rows[NETWORK].drop_duplicates().shape[0] == 1
    figure, axes = panels(len(parts), 2, 2.2)
    for panel, ((*network, t), group) in zip(axes, parts, strict=True):
        curves(panel, group, "condition_offset", looks)
        where = "" if one else f"{heading(NETWORK, tuple(network), rows)}\n"
        panel.set(yscale="log", title=f"{where}t = {t:.0f}")
        few_ticks(panel)
        if panel.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            panel.set_ylabel(f"mean squared error\n({directions([metric])})")
    for panel in axes[-2:]:
        panel.set_xlabel("offset of t in steps")
    legend_above(figure, axes[:1], heading(NETWORK, parts[0][0][:-1], rows) if one else None)
    return figure
