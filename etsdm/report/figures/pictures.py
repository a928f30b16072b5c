"""Images as pictures: samples and restorations."""

import sys
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etsdm.data.archive import Pixels, read_images
from etsdm.data.mosaic import mosaic
from etsdm.errors import UserError
from etsdm.report.cells import METHOD, SETTING, rows_of
from etsdm.report.contents import MOSAIC
from etsdm.report.figures.style import NO_VALUES, WIDTH, empty, groups
from etsdm.report.headings import heading
from etsdm.report.real_images import real_images
from etsdm.report.results import Results
from etsdm.report.sheets import samples_of

ROWS = 14
"""Rows of mosaics at most."""
LETTERS = 84
"""In a line of titles across the figure."""
REAL = "real images"
SHEET = (3, 20)
"""Rows and columns of real images."""
RESTORED = 6
"""Restored images shown."""
WHERE = [*SETTING[1:], "solver_label"]


def _show(axes: Axes, archive: Path | None, rows: int, columns: int, real: bool = False) -> None:
    """The first images of an archive; of real ones some of all classes."""
    axes.axis("off")
    try:
        images = None if archive is None or not archive.exists() else _read(archive, rows * columns, real)
    except UserError as error:  # damaged; the next stage that reads it sets it aside
        print(f"etsdm: {error}", file=sys.stderr)
        images = None
    if images is None:
        axes.text(0.5, 0.5, "NA", ha="center", va="center", transform=axes.transAxes)
        return
    sheet = mosaic(images, rows, columns)
    axes.imshow(sheet.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _read(archive: Path, number: int, real: bool) -> Pixels:
    return real_images(archive.parent, number) if real else read_images(archive, number)


def largest_budgets(rows: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """For each kind of network and solver, the rows at its largest NFE, of the first seed."""
    rows = rows[rows["seed"] == rows["seed"].iloc[0]].drop_duplicates(
        [*SETTING[1:], *METHOD[:2], "solver", "solver_parameters", "nfe"]
    )
    return [(key, group[group["nfe"] == group["nfe"].max()]) for key, group in groups(rows, WHERE)]


def _run_of(results: Results) -> dict[str, str]:
    return {m["file"]: m["run"] for m in results.inventory["measurements"]}


# ---------------------------------------------------------------- samples


def draw_samples(results: Results, experiments: list[str]) -> Figure:
    """Images of each method side by side, from the same noise, a row for each solver, after real ones.

    Args:
        results: the measurements.
        experiments: names of the experiments whose images are shown.
    """
    rows = results.rows[results.rows["experiment"].isin(experiments)]
    runs = _run_of(results)
    methods = list(dict.fromkeys(rows["method_label"]))
    data = {(spec["name"], spec["resolution"]): path for path, spec in results.inventory["data"].items()}
    lines: list[tuple[str, list[Path | None]]] = []
    for where, chosen in _by_data(largest_budgets(rows)).items():
        lines.append((f"{where[0]}, {where[1]} px: {REAL}", [results.root / data[where] / "images.zip"]))
        for key, group in chosen:
            run_of = {row["method_label"]: runs[row["file"]] for row in rows_of(group)}
            archives = [samples_of(results.root / run_of[m]) if m in run_of else None for m in methods]
            lines.append((f"{_line_title(key, rows)}, {group['nfe'].iloc[0]:.0f} NFE", archives))
    return _mosaics(lines[:ROWS], methods)


def _by_data(chosen: list[tuple[tuple[Any, ...], pd.DataFrame]]) -> dict[tuple[Any, ...], list[Any]]:
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for key, group in chosen:
        groups.setdefault(key[:2], []).append((key, group))
    return groups


def _line_title(key: tuple[Any, ...], rows: pd.DataFrame) -> str:
    """The solver and what else differs between lines, the data set aside."""
    varying = heading(WHERE[2:-1], key[2:-1], rows)
    return f"{varying}, {key[-1]}" if varying else str(key[-1])


def _mosaics(lines: list[tuple[str, list[Path | None]]], methods: list[str]) -> Figure:
    height = len(lines) * (WIDTH / len(methods) * MOSAIC[0] / MOSAIC[1] + 0.32) + 0.3
    figure, grid = plt.subplots(len(lines), len(methods), figsize=(WIDTH, height), squeeze=False)
    for (title, archives), line in zip(lines, grid, strict=True):
        for i, axes in enumerate(line):
            if i >= len(archives):
                axes.set_visible(False)
                continue
            _show(axes, archives[i], *MOSAIC, real=title.endswith(REAL))
            words = fill(title, LETTERS // len(methods))
            axes.set_title(words if len(archives) == 1 else f"{methods[i]}\n{words}", fontsize=8)
    return figure


# ---------------------------------------------------------------- real images


def draw_data(results: Results) -> Figure:
    """Real images of each data set, of all classes."""
    lines = {f"{spec['name']}, {spec['resolution']} px": path for path, spec in results.inventory["data"].items()}
    height = len(lines) * (WIDTH * SHEET[0] / SHEET[1] + 0.32)
    figure, grid = plt.subplots(len(lines), 1, figsize=(WIDTH, height), squeeze=False)
    for (title, path), (axes,) in zip(lines.items(), grid, strict=True):
        _show(axes, results.root / path / "images.zip", *SHEET, real=True)
        axes.set_title(title, fontsize=8)
    return figure


# ---------------------------------------------------------------- restored images


def draw_restored(results: Results, experiment: str) -> Figure:
    """The same test images: low resolution, as each method and solver restores them, and the truth.

    Args:
        results: the measurements.
        experiment: name of the experiment.
    """
    rows = results.experiment(experiment)
    runs, chosen = _run_of(results), largest_budgets(rows)
    restored = [
        (f"{row['method_label']}\n{row['solver_label']}, {row['nfe']:.0f} NFE", runs[row["file"]])
        for _, group in chosen
        for row in rows_of(group)
    ]
    test = results.inventory["restorations"][restored[0][1]]["test"]
    truth = next(path for path, spec in results.inventory["data"].items() if test.items() <= spec.items())
    inputs = [results.root / run / "inputs.zip" for _, run in restored]
    low = next((archive for archive in inputs if archive.exists()), None)
    if low is None:
        return empty(NO_VALUES)
    lines: list[tuple[str, Path]] = [("low resolution", low)]
    lines += [(title, results.root / run / "restored.zip") for title, run in restored]
    lines.append(("truth", results.root / truth / "images.zip"))
    figure, grid = plt.subplots(len(lines), 1, figsize=(WIDTH, len(lines) * 0.72 + 0.2), squeeze=False)
    for (title, archive), (axes,) in zip(lines, grid, strict=True):
        _show(axes, archive, 1, RESTORED)
        axes.text(-0.02, 0.5, title, transform=axes.transAxes, ha="right", va="center", fontsize=8)
    return figure
