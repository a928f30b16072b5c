"""Findings on the size of the images."""

import math
import statistics

import pandas as pd

from etsdm.report.cells import BASELINE, CELL, COMPARED, REPLICA, Cell, baselines, key, rows_of
from etsdm.report.changes import Change, change, mean_change, paired
from etsdm.report.findings.finding import Finding, mean_text, pair, summary
from etsdm.report.metrics import is_frechet
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.text import listed

SERIES = [column for column in CELL if column != "resolution"]


def trend_of_gain(results: Results, claim: Claim) -> list[Finding]:
    """The trend of the change against ddpm with the size, for each method and metric, over all solvers together."""
    table = results.cells(claim.experiment)
    others = table[table["metric"].map(is_frechet).astype(bool) & ~table["method"].isin([BASELINE, REPLICA])]
    ddpm, findings = baselines(table), []
    for (label, metric), group in others.groupby(["method_label", "metric"], sort=False):
        series = [_changes(ddpm, one) for _, one in group.groupby(SERIES, dropna=False, sort=False)]
        trends = [trend for by_side in series if (trend := _trend(by_side))]
        if trends:
            findings.append(_finding(claim, f"{label}'s change of {metric} against DDPM", trends, series))
    return findings


def _changes(ddpm: dict[tuple[object, ...], Cell], series: pd.DataFrame) -> dict[int, Change]:
    """The change against ddpm by the side of the images."""
    return {
        cell["resolution"]: change(base["by_seed"], cell["by_seed"], cell["metric"])
        for cell in rows_of(series.sort_values("resolution"))
        if (base := ddpm.get(key(cell, COMPARED))) is not None
    }


def _trend(by_side: dict[int, Change]) -> Change | None:
    """Slope of the effect against log2(side), least squares, by seed; None below two sizes."""
    known = {side: one for side, one in by_side.items() if one.effects}
    if len(known) < 2:
        return None
    x = [math.log2(side) for side in known]
    centre = statistics.fmean(x)
    weights = [(value - centre) / sum((other - centre) ** 2 for other in x) for value in x]
    seeds = set.intersection(*(set(one.effects) for one in known.values()))
    slopes = {
        seed: sum(w * one.effects[seed] for w, one in zip(weights, known.values(), strict=True))
        for seed in sorted(seeds)
    }
    return paired(slopes, "%")


def _finding(claim: Claim, subject: str, trends: list[Change], series: list[dict[int, Change]]) -> Finding:
    mean = mean_change([trend for trend in trends if trend.effects.keys() == trends[0].effects.keys()])
    sides = [side for side in series[0] if all(side in one for one in series)]
    each = [f"{mean_change([one[side] for one in series]).text} at {side} px" for side in sides]
    text = mean_text(mean, f"{subject} is {listed(each)}. Per doubling of the side it moves by")
    return Finding(claim, f"{text}.", change=mean, expected=-1)


def _ends(series: pd.DataFrame) -> tuple[Cell, Cell] | None:
    """The cells of the smallest and of the largest images."""
    ordered = rows_of(series.sort_values("resolution"))
    return (ordered[0], ordered[-1]) if len(ordered) > 1 else None


def growth_of_k(results: Results, claim: Claim) -> list[Finding]:
    """K/√d of ddpm at the smallest t, on the largest images against the smallest."""
    table = results.cells(claim.experiment)
    table = table[(table["metric"] == "K-per-sqrt-dimension") & (table["method"] == BASELINE)]
    table = table[table["t"] == table["t"].min()]
    ends = [both for _, one in table.groupby(SERIES, dropna=False, sort=False) if (both := _ends(one))]
    if not ends:
        return []
    small, large = ends[0]
    subject = f"DDPM's K/√d at t = {small['t']:.0f}"
    relation = f"at {large['resolution']} px than at {small['resolution']} px"
    return [summary(claim, subject, relation, 1, [pair(results, a, b) for a, b in ends])]
