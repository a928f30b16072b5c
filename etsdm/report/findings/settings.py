"""Findings on the alternatives to E-TSDM, and on its own settings."""

import json

import pandas as pd

from etsdm.report.cells import BASELINE, COMPARED, OURS, REPLICA, Cell, Key, indexed, key, rows_of
from etsdm.report.findings.finding import Finding, Pair, pair, pairs, summary
from etsdm.report.metrics import is_frechet
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.text import listed


def against_others(results: Results, claim: Claim) -> list[Finding]:
    """E-TSDM against all alternatives together, then against each."""
    table = _distances(results, claim.experiment)
    etsdm = indexed(table[table["method"] == OURS])
    others = table[~table["method"].isin([BASELINE, REPLICA, OURS])]
    together, apart = [], []
    for metric, group in others.groupby("metric", sort=False):
        relation = "than that of the alternatives"
        together.append(summary(claim, f"E-TSDM's {metric}", relation, -1, _against(results, etsdm, group)))
        for label, cells_of_one in group.groupby("method_label", sort=False):
            compared = _against(results, etsdm, cells_of_one)
            apart.append(summary(claim, f"E-TSDM's {metric}", f"than that of {label}", -1, compared))
    return [*together, *apart]


def _against(results: Results, etsdm: dict[Key, Cell], group: pd.DataFrame) -> list[Pair]:
    """From each cell of an alternative to E-TSDM's."""
    both = [(cell, etsdm.get(key(cell, COMPARED))) for cell in rows_of(group)]
    return [pair(results, cell, mine) for cell, mine in both if mine is not None]


def against_usual(results: Results, claim: Claim, usual: dict[str, str]) -> list[Finding]:
    """ddpm's cells that differ from the usual in the columns of `usual`, against those that do not.

    All of them together first, then each by itself.

    Args:
        results: the measurements.
        claim: the claim.
        usual: columns, and the usual value of each.
    """
    columns = list(usual)
    table = _distances(results, claim.experiment)
    table = table[table["method"] == BASELINE]
    is_usual = (table[columns] == pd.Series(usual)).all(axis=1)
    shared = [column for column in COMPARED if column not in columns]
    bases = {key(cell, shared): cell for cell in rows_of(table[is_usual])}
    together, apart = [], []
    for metric, group in table[~is_usual].groupby("metric", sort=False):
        together.append(_other_than(results, claim, f"DDPM's {metric} under other settings", bases, group, shared))
        for values, part in group.groupby(columns, sort=False):
            subject = f"DDPM's {metric} with {listed([str(value) for value in values])}"
            apart.append(_other_than(results, claim, subject, bases, part, shared))
    return [*together, *(apart if len(apart) > len(together) else [])]


def _other_than(
    results: Results, claim: Claim, subject: str, bases: dict[Key, Cell], group: pd.DataFrame, shared: list[str]
) -> Finding:
    both = [(bases.get(key(cell, shared)), cell) for cell in rows_of(group)]
    compared = [pair(results, base, cell) for base, cell in both if base is not None]
    return summary(claim, subject, "than with the usual ones", -1, compared)


def over_the_grid(results: Results, everywhere: Claim, more: Claim) -> list[Finding]:
    """E-TSDM over the grid of its settings against ddpm, and with most against fewest sub-intervals."""
    table = _distances(results, everywhere.experiment)
    findings = []
    for metric, group in table[table["method"] == OURS].groupby("metric", sort=False):
        subject = f"E-TSDM's {metric}, over all t̃ and n,"
        findings.append(summary(everywhere, subject, "than DDPM's", -1, pairs(results, table, group)))
        ends = [both for _, one in _by_t_tilde(group) if (both := _ends(one))]
        if ends:
            counts = " and ".join(sorted({f"{_n(a)} to {_n(b)}" for a, b in ends}))
            subject = f"From n = {counts}, E-TSDM's {metric}"
            relation = "with more sub-intervals"
            findings.append(summary(more, subject, relation, -1, [pair(results, a, b) for a, b in ends]))
    return findings


def _distances(results: Results, experiment: str) -> pd.DataFrame:
    table = results.cells(experiment)
    return table[table["metric"].map(is_frechet).astype(bool)]


def _n(cell: Cell) -> int:
    return int(json.loads(cell["method_parameters"])["n"])


def _by_t_tilde(group: pd.DataFrame) -> "list[tuple[object, pd.DataFrame]]":
    t_tilde = [json.loads(text)["t_tilde"] for text in group["method_parameters"]]
    return list(group.assign(t_tilde=t_tilde).groupby([*COMPARED, "t_tilde"], dropna=False, sort=False))


def _ends(group: pd.DataFrame) -> tuple[Cell, Cell] | None:
    """The cells with fewest and with most sub-intervals."""
    ordered = sorted(rows_of(group), key=_n)
    return (ordered[0], ordered[-1]) if len(ordered) > 1 else None
