"""Findings on options of solvers, which need no training."""

import json
from typing import Any

import pandas as pd

from etsdm.report.cells import BASELINE, COMPARED, OURS, Cell, Key, key, rows_of
from etsdm.report.findings.finding import Finding, pair, summary
from etsdm.report.metrics import is_frechet
from etsdm.report.options import OPTIONS, options_of
from etsdm.report.results import Results
from etsdm.report.section import Claim

PLAIN, OPTION = "plain", "option"
"""Columns: the solver's settings without the options, and the options in words, empty where there are none."""
ALIKE = [*(column for column in COMPARED if column not in ("solver_parameters", "solver_label")), PLAIN]
"""What two cells share whose solvers differ in the options alone."""
Cells = dict[Key, Cell]


def against_best(results: Results, claim: Claim) -> list[Finding]:
    """E-TSDM without options against ddpm with the options, or none, that have the lowest mean in each cell.

    The choice is made from the values that are compared, so it favours ddpm.
    """
    table = _cells(results, claim.experiment)
    ours, ddpm = _plain(table[table["method"] == OURS]), table[table["method"] == BASELINE].dropna(subset=["mean"])
    findings = []
    for metric, group in ddpm.groupby("metric", sort=False):
        best = {key(cell, ALIKE): cell for cell in rows_of(group.sort_values("mean", ascending=False))}
        findings.append(
            _summary(results, claim, f"E-TSDM's {metric}", "than that of DDPM with its best option", best, ours)
        )
    return findings


def each_alone(results: Results, claim: Claim) -> list[Finding]:
    """ddpm with each option against ddpm without."""
    table = _cells(results, claim.experiment)
    table = table[table["method"] == BASELINE]
    without = _plain(table)
    return [
        _summary(results, claim, f"DDPM's {metric}, {option},", "than without", without, _by_key(group))
        for (option, metric), group in _with_options(table)
    ]


def sharing_beside(results: Results, claim: Claim) -> list[Finding]:
    """E-TSDM with each option against ddpm with the same."""
    return [
        _summary(
            results,
            claim,
            f"E-TSDM's {metric}, {option},",
            "than DDPM's",
            _by_key(group[group["method"] == BASELINE]),
            _by_key(group[group["method"] == OURS]),
        )
        for (option, metric), group in _with_options(_cells(results, claim.experiment))
    ]


def _cells(results: Results, experiment: str) -> pd.DataFrame:
    """The cells of Frechet distances, with the columns `PLAIN` and `OPTION`."""
    table = results.cells(experiment)
    table = table[table["metric"].map(is_frechet).astype(bool)]
    settings = [json.loads(text) for text in table["solver_parameters"]]
    without = [json.dumps({name: value for name, value in one.items() if name not in OPTIONS}) for one in settings]
    return table.assign(**{PLAIN: without, OPTION: [options_of(one) for one in settings]})


def _with_options(table: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
    """The cells with options, by the options and the metric."""
    return list(table[table[OPTION] != ""].groupby([OPTION, "metric"], sort=False))


def _plain(table: pd.DataFrame) -> Cells:
    return _by_key(table[table[OPTION] == ""])


def _by_key(table: pd.DataFrame) -> Cells:
    return {key(cell, ALIKE): cell for cell in rows_of(table)}


def _summary(results: Results, claim: Claim, subject: str, relation: str, first: Cells, other: Cells) -> Finding:
    """From the cells of one kind to those of another."""
    compared = [pair(results, first[at], cell) for at, cell in other.items() if at in first]
    return summary(claim, subject, relation, -1, compared)
