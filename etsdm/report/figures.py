"""Figures of the report. The same results give the same bytes."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from etsdm.data.archive import read_images
from etsdm.report.cells import METHOD, SETTING, Results, is_frechet, load
from etsdm.report.contents import SAMPLED, figure_names
from etsdm.report.published import published_value, read_published

WIDTH = 5.2
"""Inches; with 10-point text, a figure as wide as a phone stays readable."""
MARKERS = "osD^vPX"
DASHES = ["-", "--", "-.", ":"]
"""Of the quarters of the timesteps."""
MOSAIC = (2, 6)
"""Rows and columns of images a method and solver."""
POINTS = 60
"""Points of a loss curve, each a mean over an equal stretch of the training."""

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
    "grid.color": "#e4e4e4",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
}

Look = dict[str, tuple[Any, str]]
"""Colour and marker of each method."""


def _look(results: Results) -> Look:
    names = list(dict.fromkeys(results.rows["method_label"]))
    colours = sns.color_palette("colorblind", len(names))
    return {name: (colours[i], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


def _groups(frame: pd.DataFrame, keys: list[str]) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    return list(frame.groupby(keys, dropna=False, sort=False))


def _panels(count: int, columns: int, height: float, **settings: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `height` inches each, the unused ones hidden."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * height + 0.5), squeeze=False, **settings)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_visible(False)
    return figure, flat[:count]


def _plain(value: float, _: float) -> str:
    return f"{value:g}"


def _empty(reason: str) -> Figure:
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2))
    axes.axis("off")
    axes.text(0.5, 0.5, reason, ha="center", va="center")
    return figure


def _legend_above(figure: Figure, axes: Axes, title: str | None = None) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=min(4, len(names)),
        frameon=False,
        title=title,
        title_fontsize=11,
    )


def _chosen_metrics(rows: pd.DataFrame) -> pd.DataFrame:
    """The Frechet distances, or whatever was measured if there is none."""
    frechet = rows[rows["metric"].map(is_frechet)]
    return frechet if len(frechet) else rows


# ---------------------------------------------------------------- time-Lipschitz constants


def _draw_k(axes: Axes, group: pd.DataFrame, look: Look, labelled: bool) -> None:
    for label, rows in group.groupby("method_label", sort=False):
        colour, marker = look[str(label)]
        by_t = rows.groupby("t")["value"]
        mean, low, high = by_t.mean(), by_t.min(), by_t.max()
        axes.plot(
            mean.index,
            mean,
            marker=marker,
            ms=4,
            color=colour,
            label=label if labelled else None,
            clip_on=False,
        )
        axes.fill_between(mean.index, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(rows["t"], rows["value"], ls="", marker=marker, ms=2.5, color=colour, alpha=0.35)


def draw_lipschitz(results: Results, published: pd.DataFrame, folder: Path) -> Figure:
    """K(t', t) against t, a panel for each data set and schedule, with an inset near the last fine pair."""
    rows = results.experiment("lipschitz")
    rows = rows[(rows["metric"] == "K") & rows["value"].notna()]
    if rows.empty:
        return _empty("No time-Lipschitz constants: see the failed cells.")
    look, groups = _look(results), _groups(rows, ["dataset", "resolution", "schedule"])
    figure, panels = _panels(len(groups), 1 if len(groups) < 4 else 2, 3.4)
    end = results.config["experiments"]["lipschitz"]["fine_until"]
    for axes, ((dataset, resolution, schedule), group) in zip(panels, groups, strict=True):
        _draw_k(axes, group, look, labelled=True)
        room = 1.9  # the inset lies above every curve
        axes.set(
            xscale="log", xlabel="timestep t", ylabel="K(t', t)  [per step]", ylim=(0, room * group["value"].max())
        )
        axes.set_title(f"{dataset} ({resolution} px), {schedule}")
        axes.xaxis.set_major_formatter(_plain)
        near = group[(group["t"] >= 0.6 * end) & (group["t"] <= 2.2 * end)]
        if near["t"].nunique() > 1:
            inset = axes.inset_axes((0.5, 0.62, 0.49, 0.3))
            _draw_k(inset, near, look, labelled=False)
            inset.set(xscale="log", xlim=(0.55 * end, 2.4 * end), ylim=(0, 1.15 * near["value"].max()))
            inset.tick_params(labelsize=8)
            inset.set_title(f"around t = {end}", fontsize=8)
            times = sorted({near["t"].min(), end, near["t"].max()})
            inset.set_xticks(times, [f"{t:.0f}" for t in times])
            inset.minorticks_off()
    _legend_above(figure, panels[0])
    return figure


# ---------------------------------------------------------------- distances


def draw_distance_by_nfe(results: Results, published: pd.DataFrame, folder: Path) -> Figure:
    """Distance against NFE: a panel for each solver, a line for each method, every seed a faint point."""
    rows = _chosen_metrics(results.experiment("fast-sampling").dropna(subset=["value"]))
    if rows.empty:
        return _empty("No distances: see the failed cells.")
    look = _look(results)
    groups = _groups(rows, ["dataset", "resolution", "schedule", "metric", "solver_label"])
    one = rows[["dataset", "schedule", "metric"]].drop_duplicates().shape[0] == 1
    figure, panels = _panels(len(groups), 2, 2.2, sharey=one)
    for axes, ((dataset, resolution, schedule, metric, solver), group) in zip(panels, groups, strict=True):
        for label, mine in group.groupby("method_label", sort=False):
            colour, marker = look[str(label)]
            by_nfe = mine.groupby("nfe")["value"]
            mean, low, high = by_nfe.mean(), by_nfe.min(), by_nfe.max()
            axes.plot(mean.index, mean, marker=marker, ms=5, color=colour, label=label)
            axes.fill_between(mean.index, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(mine["nfe"], mine["value"], ls="", marker=marker, ms=3, color=colour, alpha=0.4)
        budgets = sorted(group["nfe"].unique())
        axes.set(xscale="log", title=solver if one else f"{dataset} ({resolution} px), {schedule}\n{solver}")
        axes.set_xticks(budgets, [f"{nfe:.0f}" for nfe in budgets])
        axes.minorticks_off()
        axes.margins(x=0.2 if len(budgets) < 2 else 0.1)
        if not one or axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axes.set_ylabel(metric)
    for axes in panels[-2:]:
        axes.set_xlabel("NFE (network evaluations)")
    _legend_above(figure, panels[0], f"{dataset} ({resolution} px), {schedule} schedule" if one else None)
    return figure


def draw_methods(results: Results, published: pd.DataFrame, folder: Path) -> Figure:
    """Bars of the mean distance by data set and method, every seed a point, the paper's FID a dash."""
    rows = _chosen_metrics(results.experiment("datasets").dropna(subset=["value"]))
    if rows.empty:
        return _empty("No distances: see the failed cells.")
    look = _look(results)
    methods = [name for name in look if name in set(rows["method_label"])]
    groups = _groups(rows, ["schedule", "metric", "solver_label", "nfe"])
    figure, panels = _panels(len(groups), 1 if len(groups) < 4 else 2, 2.8)
    for axes, ((schedule, metric, solver, nfe), group) in zip(panels, groups, strict=True):
        datasets = list(dict.fromkeys(zip(group["dataset"], group["resolution"], strict=True)))
        width, marked = 0.8 / len(methods), False
        for i, label in enumerate(methods):
            for place, (dataset, _) in enumerate(datasets):
                mine = group[(group["method_label"] == label) & (group["dataset"] == dataset)]["value"]
                if mine.empty:
                    continue
                x = place + (i - (len(methods) - 1) / 2) * width
                name = label if place == 0 else None
                axes.bar(x, mine.mean(), 0.9 * width, color=look[label][0], alpha=0.85, label=name)
                if len(mine) > 1:
                    axes.errorbar(x, mine.mean(), mine.std(), color="#333333", capsize=4, lw=1.2)
                axes.plot(np.full(len(mine), x), mine, ls="", marker="o", ms=3.5, mfc="white", mec="#333333")
                paper = published_value(published, rows.loc[mine.index[0]])
                if paper is not None and metric.startswith("fid-"):
                    axes.plot(
                        x,
                        paper,
                        ls="",
                        marker="_",
                        ms=18,
                        mew=2,
                        color="black",
                        label=None if marked else "paper",
                    )
                    marked = True
        axes.set_xticks(range(len(datasets)), [f"{name}\n{side} px" for name, side in datasets])
        axes.set(ylabel=metric, title=f"solver {solver}, {nfe:.0f} NFE, {schedule} schedule")
        axes.set_xlim(-0.9, len(datasets) - 0.1)
        axes.grid(axis="x", visible=False)
    _legend_above(figure, panels[0])
    return figure


# ---------------------------------------------------------------- samples


def mosaic(images: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """The first images (N, H, W, C) as one image with thin white lines between; missing ones stay white."""
    _, height, width, channels = images.shape
    line = max(1, height // 16)
    sheet = np.full((rows * (height + line) - line, columns * (width + line) - line, channels), 255, dtype=np.uint8)
    for i, image in enumerate(images[: rows * columns]):
        y, x = (i // columns) * (height + line), (i % columns) * (width + line)
        sheet[y : y + height, x : x + width] = image
    return sheet


def _show(axes: Axes, archive: Path) -> None:
    axes.axis("off")
    if not archive.exists():
        axes.text(0.5, 0.5, "NA", ha="center", va="center", transform=axes.transAxes)
        return
    sheet = mosaic(read_images(archive, MOSAIC[0] * MOSAIC[1]), *MOSAIC)
    axes.imshow(sheet.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _largest_budgets(rows: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """For each data set, schedule and solver, the rows at its largest NFE, of the first seed."""
    rows = rows[rows["seed"] == rows["seed"].iloc[0]].drop_duplicates(
        [*SETTING[1:], *METHOD[:2], "solver", "solver_parameters", "nfe"]
    )
    chosen = [
        (key, group[group["nfe"] == group["nfe"].max()]) for key, group in _groups(rows, [*SETTING[1:], "solver_label"])
    ]
    return chosen


def draw_samples(results: Results, published: pd.DataFrame, folder: Path) -> Figure:
    """Images of each method side by side, from the same noise, a row for each solver, after real ones."""
    rows = results.rows[results.rows["experiment"].isin(SAMPLED)]
    archives = {m["file"]: m["sample"] for m in results.inventory["measurements"] if m["sample"]}
    methods = [m for m in dict.fromkeys(results.rows["method_label"]) if m in set(rows["method_label"])]
    data = {spec["name"]: path for path, spec in results.inventory["data"].items()}
    chosen = _largest_budgets(rows)
    datasets = list(dict.fromkeys(key[0] for key, _ in chosen))
    several = rows["schedule"].nunique() > 1
    ratio = MOSAIC[0] / MOSAIC[1]
    count = len(chosen) + len(datasets)
    height = count * (WIDTH / len(methods) * ratio + 0.3) + 0.3
    figure, grid = plt.subplots(count, len(methods), figsize=(WIDTH, height), squeeze=False)
    line = iter(grid)
    for dataset in datasets:
        real = next(line)
        _show(real[0], folder / data[dataset] / "images.zip")
        real[0].set_title(f"{dataset}: real images", fontsize=9)
        for axes in real[1:]:
            axes.set_visible(False)
        for (name, _, _, schedule, solver), group in chosen:
            if name == dataset:
                where = f"\n{schedule}" if several else ""
                for axes, label in zip(next(line), methods, strict=True):
                    mine = group[group["method_label"] == label]
                    _show(axes, folder / archives[mine["file"].iloc[0]] / "samples.zip" if len(mine) else Path())
                    axes.set_title(f"{label}\nby {solver}, {group['nfe'].iloc[0]:.0f} NFE{where}", fontsize=8)
    return figure


# ---------------------------------------------------------------- losses


def thinned(curve: pd.DataFrame, points: int = POINTS) -> pd.DataFrame:
    """A training curve as means over at most `points` equal stretches of images."""
    last = curve["images"].max()
    part = np.minimum((curve["images"] / last * points).astype(int), points - 1)
    return curve.groupby(part).mean(numeric_only=True)


def _loss_lines(axes: Axes, group: pd.DataFrame, look: Look, column: str, dash: str) -> None:
    for label, runs in group.groupby("method_label", sort=False):
        curves = pd.concat([thinned(run) for _, run in runs.groupby("seed")])
        by_part = curves.groupby(level=0)
        x, y = by_part["images"].mean(), by_part[column]
        colour = look[str(label)][0]
        axes.plot(x, y.mean(), color=colour, ls=dash, lw=1.4, label=label)
        axes.fill_between(x, y.min(), y.max(), color=colour, alpha=0.15, lw=0)


def draw_losses(results: Results, published: pd.DataFrame, folder: Path) -> Figure:
    """Training loss by images seen, in all and by quarter of the timesteps; the band spans the seeds."""
    losses = _labelled_losses(results)
    if losses.empty:
        return _empty("No training curves: see the failed cells.")
    look, groups = _look(results), _groups(losses, ["dataset", "schedule"])
    quarters = sorted(str(column) for column in losses if str(column).startswith("loss_q"))
    figure, panels = _panels(2 * len(groups), 1 if len(groups) == 1 else 2, 2.6)
    steps = results.config["diffusion"]["timesteps"]
    edges = [i * steps // len(quarters) for i in range(len(quarters) + 1)]
    for ((dataset, schedule), group), whole, parts in zip(groups, panels[::2], panels[1::2], strict=True):
        _loss_lines(whole, group, look, "loss", "-")
        whole.set(title=f"{dataset}, {schedule} schedule", ylabel="loss (mean squared error)")
        for column, dash in zip(quarters, DASHES, strict=True):
            _loss_lines(parts, group, look, column, dash)
        parts.set(title="by quarter of the timesteps", ylabel="loss (mean squared error)")
        for axes in (whole, parts):
            axes.set(yscale="log", xlabel="images seen")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(_plain)
            axes.yaxis.set_minor_formatter("")
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(_thousands)
    dashes = [Line2D([], [], color="#555555", ls=dash) for dash in DASHES]
    names = [f"t = {low} to {high - 1}" for low, high in pairwise(edges)]
    figure.legend(dashes, names, loc="outside lower center", ncols=2, frameon=False)
    _legend_above(figure, panels[0])
    return figure


def _thousands(value: float, _: float) -> str:
    return f"{value / 1000:g}k" if value else "0"


def _labelled_losses(results: Results) -> pd.DataFrame:
    """The training curves with the label of each method, looked up by the method and its settings."""
    if results.losses.empty:
        return results.losses
    keys = ["method", "method_parameters"]
    names = results.rows[[*keys, "method_label"]].drop_duplicates(keys)
    return results.losses.merge(names, on=keys)


# ---------------------------------------------------------------- writing

DRAW: dict[str, Callable[[Results, pd.DataFrame, Path], Figure]] = {
    "lipschitz": draw_lipschitz,
    "distance-by-nfe": draw_distance_by_nfe,
    "methods": draw_methods,
    "samples": draw_samples,
    "losses": draw_losses,
}


def draw(results: Results, published: pd.DataFrame, folder: Path) -> Iterator[tuple[str, Figure]]:
    """Names and figures, as `contents.figure_names` lists them; each is closed when the next is asked for."""
    with matplotlib.rc_context(STYLE):
        for name in figure_names(results.inventory):
            figure = DRAW[name](results, published, folder)
            yield name, figure
            plt.close(figure)


def write_figures(report: Path, results: Path, published: Path | None) -> None:
    """Write the report's figures into `report/figures`, each as PNG and SVG.

    Args:
        report: folder with `inventory.json`, `rows.csv` and `losses.csv`.
        results: root of the results, for the image archives.
        published: CSV of the paper's results, or None.
    """
    folder = report / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in draw(load(report), read_published(published), results):
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
