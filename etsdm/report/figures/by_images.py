"""Distance to the data, and K, against the images seen in training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.report.cells import NETWORK
from etsdm.report.colours import SOFT
from etsdm.report.figures.style import (
    NO_VALUES,
    Look,
    chosen_metrics,
    curve,
    empty,
    groups,
    legend_above,
    look,
    panels,
    ticks_at,
)
from etsdm.report.headings import heading
from etsdm.report.metrics import directions, is_frechet
from etsdm.report.results import Results
from etsdm.report.text import short_count

SAMPLED = ["metric", "solver_label", "nfe"]
LINE = ["method_label", "ema_half_life"]
DASHES = ["-", "--", ":", "-."]

Part = tuple[str, str, bool, pd.DataFrame]
"""Title, name of the y axis, whether that is logarithmic, and rows of a panel."""


def draw_by_images(results: Results, experiment: str) -> Figure:
    """A panel for each metric, solver and budget, then K: a line for each method and half-life.

    Args:
        results: the measurements.
        experiment: name of the experiment.
    """
    rows = results.experiment(experiment).dropna(subset=["value"])
    if rows.empty:
        return empty(NO_VALUES)
    looks, half_lives = look(rows, results.methods), sorted(rows["ema_half_life"].unique(), reverse=True)
    dashes = {half_life: DASHES[i % len(DASHES)] for i, half_life in enumerate(half_lives)}
    parts = [*_distances(rows), *_constants(rows)]
    figure, axes = panels(len(parts), 2, 2.4)
    counts = sorted(rows["images_seen"].unique())
    for panel, (title, name, log, part) in zip(axes, parts, strict=True):
        for key, mine in groups(part, LINE):
            curve(panel, mine, "images_seen", *looks[key[0]], ls=dashes[key[1]])
        panel.set(title=title, xscale="log", ylabel=f"{name}\n({directions([part['metric'].iloc[0]])})")
        if log:
            panel.set_yscale("log")
        else:
            panel.set_ylim(bottom=0)
        ticks_at(panel, counts, [short_count(count) for count in counts])
        panel.margins(x=0.1)
    for panel in axes[-2:]:
        panel.set_xlabel("images seen")
    _name_lines(axes[0], looks, dashes)
    legend_above(figure, axes[:1])
    return figure


def _distances(rows: pd.DataFrame) -> list[Part]:
    sampled = chosen_metrics(rows[rows["solver"].notna()])
    parts = groups(sampled, [*NETWORK, *SAMPLED])
    return [
        (
            _title(key[: len(NETWORK)], rows, f"{key[-2]}, {key[-1]:.0f} NFE"),
            str(key[-3]),
            is_frechet(key[-3]),  # it falls by more than ten times
            part,
        )
        for key, part in parts
    ]


def _constants(rows: pd.DataFrame) -> list[Part]:
    """K at the smallest t, and the largest K over all t."""
    parts: list[Part] = []
    for network, k in groups(rows[rows["metric"] == "K"], NETWORK):
        near = k[k["t"] == k["t"].min()]
        largest = k.loc[k.groupby([*LINE, "images_seen", "seed"])["value"].idxmax()]
        parts += [
            (_title(network, rows, f"at t = {near['t'].iloc[0]:.0f}"), "K  [per step]", False, near),
            (_title(network, rows, f"largest up to t = {k['t'].max():.0f}"), "K  [per step]", False, largest),
        ]
    return parts


def _title(network: tuple[object, ...], rows: pd.DataFrame, what: str) -> str:
    several = len(rows[NETWORK].drop_duplicates()) > 1
    return f"{heading(NETWORK, network, rows)}\n{what}" if several else what


def _name_lines(axes: Axes, looks: Look, dashes: dict[int, str]) -> None:
    """Entries of the legend: colours are methods, dashes are half-lives where there are several."""
    for label, (colour, marker) in looks.items():
        axes.plot([], [], color=colour, marker=marker, ms=4, label=label)
    for half_life, dash in dashes.items() if len(dashes) > 1 else ():
        axes.plot([], [], color=SOFT, ls=dash, label=f"half-life {short_count(half_life)}")
