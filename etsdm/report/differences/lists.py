"""What differs as lists of rows, for the terminal and for the page."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from etsdm.report.cells import SETTING, Cell
from etsdm.report.differences.difference import Difference, p_text
from etsdm.report.differences.matching import Alone, Matched
from etsdm.report.differences.means import Group
from etsdm.report.differences.provenance import Pair
from etsdm.report.text import counted, mean_sd, number

Rows = list[dict[str, str]]
"""Rows of a table, each a text by the heading of its column."""
LEFT = ("Beyond noise", "Experiment", "Metric", "Method", "Cell", "Claim", "Setting", "", "A", "B", "Reason")
"""Columns of words."""
WORDS: dict[str, Callable[[Any], str]] = {
    "resolution": "{:.0f} px".format,
    "time": "{} time".format,
    "prediction": "predicts {}".format,
    "training_times": "times {}".format,
    "loss_weight": "weight {}".format,
    "images_seen": "{:,.0f} images".format,
    "ema_half_life": "half-life {:,.0f}".format,
}
POINTS = {"t_prime": "t′ = {:g}", "t": "t = {:g}", "perturbation_std": "std {:g}", "condition_offset": "offset {:+g}"}


def varying(compared: list[Cell]) -> list[str]:
    """The columns `SETTING` that tell these cells apart."""
    frame = pd.DataFrame(compared, columns=SETTING)
    return [column for column in SETTING if frame[column].nunique(dropna=False) > 1]


def words(cell: Cell, columns: list[str]) -> str:
    """A cell in a few words: what tells it apart but the experiment, its method, and where it was measured."""
    wanted = [column for column in columns if column != "experiment" and not pd.isna(cell[column])]
    parts = [WORDS.get(column, str)(cell[column]) for column in wanted]
    parts.append(cell["method_label"])
    if not pd.isna(cell["solver"]):
        parts.append(f"{cell['solver_label']} at {cell['nfe']:.0f} NFE")
    parts += [text.format(cell[column]) for column, text in POINTS.items() if not pd.isna(cell[column])]
    return ", ".join(parts)


def by_group(groups: list[Group]) -> Rows:
    """A row for each experiment, metric and method: the mean change, and how many cells differ."""
    return [_of_group(one) for one in groups]


def _of_group(one: Group) -> dict[str, str]:
    change, p = (one.lone.change, one.lone.p) if one.lone else (one.change, one.p)
    same = all(cell.same for cell in one.cells)
    return {
        "Mean change": change.text if change else "same" if same else "",
        "Method": one.method,
        "Metric": one.metric,
        "Experiment": one.experiment,
        "95 % interval": change.interval if change else "",
        "p": p_text(p),
        "Differ": "–" if any(cell.untested for cell in one.cells) else str(sum(cell.differs for cell in one.cells)),
        "Same": str(sum(cell.same for cell in one.cells)),
        "Cells": str(len(one.cells)),
    }


def cells(matched: list[Matched], columns: list[str]) -> Rows:
    """A row for each cell, with its test.

    Args:
        found: the cells.
        told: the columns of the setting that `words` says.
    """
    return [
        {
            "Beyond noise": _said(one),
            "Change": "" if one.same else one.change.text,
            "Cell": words(one.cell, columns),
            "Experiment": one.cell["experiment"],
            "Metric": one.cell["metric"],
            "95 % interval": "" if one.same else one.change.interval,
            "p": p_text(one.p),
            "n": str(len(one.first)),
            "Mean of A": _mean(one.first),
            "Mean of B": _mean(one.other),
        }
        for one in matched
    ]


def _mean(values: dict[int, float]) -> str:
    series = pd.Series(values)
    return mean_sd(float(series.mean()), float(series.std())) if len(series) > 1 else number(float(series.mean()))


def _said(one: Matched) -> str:
    if one.same:
        return "same values"
    if one.untested:
        return "no noise floor"
    return "yes" if one.differs else "no"


def verdicts(difference: Difference) -> Rows:
    """A row for each verdict that changed."""
    return [
        {"Experiment": one.experiment, "Claim": one.claim, "A": first, "B": other}
        for one in difference.changed_verdicts
        for first, other in one.steps
    ]


def alone(only_here: list[Alone]) -> Rows:
    """A row for each experiment, metric and reason."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for one in only_here:
        groups.setdefault((one.cell["experiment"], one.cell["metric"], one.reason), []).append(one.cell)
    return [
        {"Experiment": experiment, "Metric": metric, "Cell": _some(cells), "Reason": reason}
        for (experiment, metric, reason), cells in groups.items()
    ]


def _some(cells: list[Cell]) -> str:
    """One cell in words, or how many of which methods."""
    if len(cells) == 1:
        return words(cells[0], [])
    return f"{counted(len(cells), 'cell')}: {', '.join(dict.fromkeys(str(cell['method_label']) for cell in cells))}"


def settings(difference: Difference) -> Rows:
    """A row for each setting that differs while cells are compared, with the experiments where it does."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in difference.settings:
        groups.setdefault((one.name, one.first, one.other), []).append(one.where)
    return [
        {"Setting": name, "A": first, "B": other, "Experiment": "; ".join(where)}
        for (name, first, other), where in groups.items()
    ]


def pairs(both: list[Pair]) -> Rows:
    """A row for each thing about both."""
    return [{"": pair.name, "A": pair.first, "B": pair.other} for pair in both]


def columns(rows: Rows) -> list[str]:
    """The columns that hold anything."""
    return [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
