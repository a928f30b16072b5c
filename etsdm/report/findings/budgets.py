"""Findings on budgets: what more evaluations do, and the controls, whose answers are known."""

import json
from collections.abc import Sequence

import pandas as pd

from etsdm.report.cells import BASELINE, REPLICA, SETTING, Cell, rows_of
from etsdm.report.findings.finding import Finding, pair, pairs, summary
from etsdm.report.metrics import is_frechet
from etsdm.report.options import has_options
from etsdm.report.published import published_value
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.text import listed


def _budgets(results: Results, series: pd.DataFrame) -> tuple[Cell, Cell] | None:
    """The cells of a solver's smallest and largest NFE of those that the paper reports; None unless two are here."""
    ordered = rows_of(series.sort_values("nfe"))
    known = [cell for cell in ordered if published_value(results.published, cell) is not None]
    return (known[0], known[-1]) if len(known) > 1 else None


def more_steps(results: Results, claim: Claim, solvers: Sequence[str], method: str, expected: int) -> list[Finding]:
    """A method with the larger budget of a fast solver against itself with the smaller one.

    Args:
        results: the measurements.
        claim: the claim.
        solvers: solvers for which the paper reports two budgets.
        method: name of the method.
        expected: sign that is claimed.
    """
    table = results.cells(claim.experiment)
    mine = table[table["solver"].isin(solvers) & table["metric"].map(is_frechet) & (table["method"] == method)]
    findings = []
    for (label, metric), group in mine.groupby(["method_label", "metric"], sort=False):
        series = group.groupby([*SETTING, "solver", "solver_parameters"], sort=False)
        ends = [both for _, one in series if (both := _budgets(results, one))]
        if ends:
            budgets = dict.fromkeys(f"{a['solver']} ({a['nfe']:.0f} to {b['nfe']:.0f} NFE)" for a, b in ends)
            subject = f"Under {listed(list(budgets))}, {label}'s {metric}"
            relation = "at the larger budget than at the smaller"
            findings.append(summary(claim, subject, relation, expected, [pair(results, a, b) for a, b in ends]))
    return findings


def known_difference(results: Results, claim: Claim, nfe: int, solvers: dict[str, str]) -> list[Finding]:
    """The positive control: ddpm under a solver that is known to be better, against itself under another.

    Args:
        results: the measurements.
        claim: the claim.
        nfe: evaluations of both.
        solvers: the other and the better, each name with its words.
    """
    worse, better = solvers
    table = results.cells(claim.experiment)
    mine = table[(table["nfe"] == nfe) & table["metric"].map(is_frechet) & (table["method"] == BASELINE)]
    findings = []
    for metric, group in mine.groupby("metric", sort=False):
        settings = group.groupby(SETTING, sort=False)
        both = [(_of(one, worse), _of(one, better)) for _, one in settings]
        compared = [pair(results, first, other) for first, other in both if first is not None and other is not None]
        if compared:
            subject = f"With {nfe} evaluations, DDPM's {metric} under {solvers[better]}"
            findings.append(summary(claim, subject, f"than under {solvers[worse]}", -1, compared))
    return findings


def _of(group: pd.DataFrame, solver: str) -> Cell | None:
    """The first cell of a solver that has none of the `OPTIONS`."""
    for cell in rows_of(group[group["solver"] == solver]):
        if not has_options(json.loads(cell["solver_parameters"])):
            return cell
    return None


def chance(results: Results, claim: Claim) -> list[Finding]:
    """The A/A test: each replica against ddpm."""
    table = results.cells(claim.experiment)
    mine = table[table["metric"].map(is_frechet) & (table["method"] == REPLICA)]
    return [
        summary(claim, f"{label}'s {metric}", "than DDPM's", -1, pairs(results, table, group))
        for (label, metric), group in mine.groupby(["method_label", "metric"], sort=False)
    ]
