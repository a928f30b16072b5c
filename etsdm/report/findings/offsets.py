"""Findings on a wrong condition: what it costs, and where it costs nothing."""

import statistics
from collections.abc import Callable

import pandas as pd

from etsdm.report.cells import BASELINE, NETWORK, OURS, Cell, rows_of, same
from etsdm.report.changes import change
from etsdm.report.findings.finding import Finding, Pair, seeds_text, summary
from etsdm.report.findings.sub_intervals import inside, is_below
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.text import number

TIME = [*NETWORK, "t"]
"""What networks of two methods and one t share."""


def cost_below(results: Results, claim: Claim, metric: str) -> list[Finding]:
    """The excess error of E-TSDM at each t below its t_tilde against ddpm's, both the mean over all offsets.

    The mean comes before the ratio: the excess of one offset may be 0, or below 0 by chance, and has no logarithm then.
    """
    table = results.cells(claim.experiment)
    table = table[table["metric"] == metric]
    ddpm, ours = table[table["method"] == BASELINE], _of(table, is_below)
    findings = []
    for label, group in ours.groupby("method_label", sort=False):
        pairs = [
            Pair(change(_mean(base), _mean(mine), metric), None)
            for _, mine in group.groupby(TIME, dropna=False, sort=False)
            if len(base := same(ddpm, rows_of(mine)[0], TIME))
        ]
        subject = f"{label}'s {metric} below t̃, the mean over offsets,"
        findings.append(summary(claim, subject, "than DDPM's", -1, pairs))
    return findings


def free_inside(results: Results, claim: Claim, metric: str) -> list[Finding]:
    """The excess error of E-TSDM where t and t + offset lie in one sub-interval: the network is given the same."""
    table = results.cells(claim.experiment)
    free = _of(table[(table["metric"] == metric) & (table["n"] > 0)], _is_free)
    findings = []
    for label, group in free.groupby("method_label", sort=False):
        most = max(abs(value) for by_seed in group["by_seed"] for value in by_seed.values())
        size = "exactly 0" if most == 0 else f"up to {number(most)}"
        text = f"{label}'s excess is {size} where t and t + offset lie in one sub-interval: "
        text += f"{len(group)} cells, {seeds_text(group['n'].max())}."
        findings.append(Finding(claim, text, "same direction and size" if most == 0 else "opposite"))
    return findings


def _of(table: pd.DataFrame, wanted: Callable[[Cell], bool]) -> pd.DataFrame:
    """The cells of E-TSDM that are wanted."""
    ours = table[table["method"] == OURS]
    return ours[[wanted(cell) for cell in rows_of(ours)]] if len(ours) else ours


def _is_free(cell: Cell) -> bool:
    return inside(cell, *sorted([cell["t"], cell["t"] + cell["condition_offset"]]))


def _mean(group: pd.DataFrame) -> dict[int, float]:
    """The mean of the cells by seed, for the seeds that all of them have."""
    seeds = set.intersection(*(set(by_seed) for by_seed in group["by_seed"]))
    return {seed: statistics.fmean(by_seed[seed] for by_seed in group["by_seed"]) for seed in sorted(seeds)}
