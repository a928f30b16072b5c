"""How every figure looks, and the parts that they share."""

import math
from collections.abc import Iterable
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from etsdm.diffusion.methods import METHODS
from etsdm.report.colours import INK, LINE
from etsdm.report.metrics import is_frechet, judged
from etsdm.report.text import mean_sd

WIDTH = 5.2
"""Inches; with 10-point text, a figure as wide as a phone stays readable."""
MARGIN = 0.9
"""Inches of a panel beside its axis."""
LETTER = 0.085
"""Inches of a letter of a mark's name."""
LEGEND = 64
"""Letters in a line of a legend."""
MARKERS = "osD^vPX"
PAPER: Any = {"color": INK, "marker": "D", "mfc": "none", "mew": 1.2, "ms": 5, "ls": ""}

STYLE: Any = {
    "svg.hashsalt": "etsdm",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
}

Look = dict[str, tuple[Any, str]]
"""Colour and marker of each method, by its label."""


def numbered(methods: Iterable[str]) -> dict[str, int]:
    """A number for each method, the same in every figure of a report: it decides colour and marker.

    Args:
        methods: all methods of a report. One that this version does not know, a plug-in's, comes after those it knows.
    """
    known = METHODS.names()
    return {name: i for i, name in enumerate([*known, *sorted(set(methods) - set(known))])}


def look(rows: pd.DataFrame, methods: Iterable[str]) -> Look:
    """Every method has its colour; variants of one grow paler and change their marker.

    Args:
        rows: what is drawn, with `method` and `method_label`.
        methods: all methods of the report.
    """
    numbers = numbered([*methods, *rows["method"]])
    palette = _palette(len(numbers))
    styles: Look = {}
    for name, group in rows.groupby("method", sort=False):
        number = numbers[str(name)]
        colour = np.array(to_rgb(palette[number]))
        labels = list(dict.fromkeys(group["method_label"]))
        for i, label in enumerate(labels):
            pale = 0.6 * i / max(1, len(labels) - 1) if len(labels) > 1 else 0.0
            styles[label] = (tuple(colour + (1 - colour) * pale), MARKERS[(number + i) % len(MARKERS)])
    return {label: styles[label] for label in dict.fromkeys(rows["method_label"])}


def _palette(count: int) -> list[Any]:
    """As many colours as there are methods: the first ten for the colour-blind, further ones by hue."""
    first = sns.color_palette("colorblind", 10)
    return [*first, *sns.husl_palette(max(0, count - len(first)), l=0.5)]


def groups(frame: pd.DataFrame, keys: list[str]) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Groups in the order of their first rows; NA is a value."""
    return list(frame.groupby(keys, dropna=False, sort=False))


def panels(count: int, columns: int, height: float, **settings: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `height` inches each, the unused ones hidden."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * height + 0.5), squeeze=False, **settings)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_visible(False)
    return figure, flat[:count]


def short(value: float, _: float = 0) -> str:
    """A number on an axis, without an exponent."""
    return f"{value:g}"


def empty(reason: str) -> Figure:
    """A figure that says why there is none."""
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2))
    axes.axis("off")
    axes.text(0.5, 0.5, reason, ha="center", va="center")
    return figure


NO_VALUES = "No values: see the failed cells."


def legend_above(figure: Figure, axes: list[Axes], title: str | None = None) -> None:
    """One legend for all panels: each name once."""
    entries: dict[str, Any] = {}
    for panel in axes:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    longest, total = max(map(len, entries), default=0), sum(len(name) + 5 for name in entries)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper center",
        ncols=len(entries) if total <= LEGEND else max(1, LEGEND // (longest + 5)),
        frameon=False,
        title=title,
        title_fontsize=11,
    )


def chosen_metrics(rows: pd.DataFrame) -> pd.DataFrame:
    """The Frechet distances; whatever verdicts are made of if there is none; else everything."""
    for wanted in (is_frechet, judged):
        chosen = rows[rows["metric"].map(wanted).astype(bool)]
        if len(chosen):
            return chosen
    return rows


HINT = "hint: "
"""Beginning of the name of a point in a drawing; its text follows, and becomes what a pointer shows."""


def hint(axes: Axes, x: float, y: float, text: str) -> None:
    """Name a point of a drawing, so that the page shows `text` when a pointer rests on it. Nothing is seen of it."""
    if math.isfinite(x) and math.isfinite(y):
        axes.plot(x, y, ls="", marker="o", ms=10, alpha=0, gid=f"{HINT}{text}", zorder=9, scalex=False, scaley=False)


def curve(axes: Axes, rows: pd.DataFrame, x: str, colour: Any, marker: str, **settings: Any) -> None:
    """Mean over seeds against the column `x`, a band from the lowest to the highest, and every seed a faint point."""
    by_x = rows.groupby(x)["value"]
    mean, low, high = by_x.mean(), by_x.min(), by_x.max()
    for at, middle, sd, n in by_x.agg(["mean", "std", "count"]).itertuples():
        hint(axes, at, middle, f"{settings.get('label', '')} at {at:g}: {mean_sd(middle, sd)} (n = {n})")
    axes.plot(mean.index, mean, marker=marker, ms=4, color=colour, **settings)
    axes.fill_between(mean.index, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(rows[x], rows["value"], ls="", marker=marker, ms=2.5, color=colour, alpha=0.35)


def curves(axes: Axes, rows: pd.DataFrame, x: str, looks: Look, **settings: Any) -> None:
    """A curve for each method, labelled."""
    for label, mine in rows.groupby("method_label", sort=False):
        colour, marker = looks[str(label)]
        curve(axes, mine, x, colour, marker, label=str(label), **settings)


def ticks_at(axes: Axes, values: list[float], labels: list[str] | None = None, room: float | None = None) -> None:
    """Marks of a logarithmic x axis at the measured values alone, named where there is room for the name.

    Args:
        axes: the panel.
        values: where the marks are, ascending.
        labels: their names; None: the values.
        room: width of the axis in inches; None: as the panels of a figure are.
    """
    names = labels or [short(value) for value in values]
    place = axes.get_subplotspec()
    width = room or WIDTH / (place.get_gridspec().ncols if place else 1) - MARGIN
    axes.set_xticks(values, apart(values, names, width))
    axes.minorticks_off()


def apart(values: list[float], names: list[str], width: float) -> list[str]:
    """The names of marks on a logarithmic axis, those empty that would overlap another; the ends keep theirs.

    Args:
        values: where the marks are, ascending and positive.
        names: of the marks.
        width: of the axis in inches, from the first mark to the last.
    """
    span = math.log(values[-1] / values[0]) if len(values) > 1 else 0.0
    places = [width * math.log(value / values[0]) / span if span else 0.0 for value in values]
    sizes = [LETTER * max(map(len, name.split("\n"))) for name in names]
    kept, last = [0], len(names) - 1

    def fits(i: int) -> bool:
        before = kept[-1]
        return places[i] - places[before] >= (sizes[i] + sizes[before]) / 2 + LETTER

    for i in range(1, last):
        kept += [i] if fits(i) else []
    while len(kept) > 1 and not fits(last):
        kept.pop()
    if last and fits(last):
        kept.append(last)
    return [name if i in kept else "" for i, name in enumerate(names)]


def few_ticks(axes: Axes) -> None:
    """Marks of a logarithmic y axis at 1, 2 and 5 times the powers of ten, at fewer where the axis spans many."""
    low, high = axes.get_ylim()
    decades = math.log10(high / low) if low > 0 else 0.0
    subs = (1, 2, 5) if decades < 2 else (1, 3) if decades < 3.5 else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(short)
    axes.yaxis.set_minor_formatter("")
