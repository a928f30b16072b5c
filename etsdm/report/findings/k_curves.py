"""Findings on K(t', t) against t: how it grows, where it is 0, and its largest value."""

import math
import statistics

import pandas as pd

from etsdm.report.cells import BASELINE, CELL, NETWORK, OURS, Cell, rows_of, same
from etsdm.report.changes import change, paired
from etsdm.report.findings.finding import Finding, Pair, mean_text, seeds_text, summary, where
from etsdm.report.findings.sub_intervals import inside
from etsdm.report.published import curves_of, published_value
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.text import listed, number


def _k(results: Results, experiment: str) -> pd.DataFrame:
    table = results.cells(experiment)
    return table[table["metric"] == "K"].dropna(subset=["t"])


def growth(results: Results, claim: Claim) -> list[Finding]:
    """How K of ddpm grows towards t = 0: its trend over all fine pairs."""
    until, table = results.block(claim.experiment).get("fine_until", 0), _k(results, claim.experiment)
    table = table[(table["method"] == BASELINE) & (table["t"] <= until)]
    series = table.groupby([column for column in CELL if column not in ("t", "t_prime")], dropna=False, sort=False)
    return [finding for _, curve in series if (finding := _trend(results, claim, curve.sort_values("t")))]


def tamer(results: Results, claim: Claim, straight: str) -> list[Finding]:
    """Whether K of ddpm grows less towards t = 0 under the schedule `straight` than under each other one."""
    until, table = results.block(claim.experiment).get("fine_until", 0), _k(results, claim.experiment)
    table = table[(table["method"] == BASELINE) & (table["t"] <= until)]
    alike = [column for column in CELL if column not in ("t", "t_prime", "schedule")]
    findings = []
    for _, group in table.groupby(alike, dropna=False, sort=False):
        powers = {str(name): _powers(curve) for name, curve in group.groupby("schedule", sort=False)}
        mine = powers.pop(straight, {})
        for name, others in powers.items():
            difference = {seed: mine[seed] - others[seed] for seed in sorted(mine.keys() & others.keys())}
            if difference:
                words = ", ".join(
                    f"{number(statistics.fmean(power.values()), 2)} ({which})"
                    for which, power in ((straight, mine), (name, others))
                )
                text = f"K of DDPM goes as t to the power {words} up to t = {until}. Difference"
                power = paired(difference, "")
                findings.append(Finding(claim, f"{mean_text(power, text)}.", change=power, expected=1))
    return findings


def _powers(curve: pd.DataFrame) -> dict[int, float]:
    """The power of t as which K goes, for each seed that has all of the curve, above 0."""
    seeds = set.intersection(*(set(by_seed) for by_seed in curve["by_seed"])) if len(curve) > 1 else set()
    return {
        seed: slope({cell["t"]: cell["by_seed"][seed] for cell in rows_of(curve)})
        for seed in sorted(seeds)
        if all(values[seed] > 0 for values in curve["by_seed"])
    }


def slope(curve: dict[float, float]) -> float:
    """Least squares slope of log K against log t, of {t: K}: K grows as t to this power."""
    x, y = [math.log(t) for t in curve], [math.log(k) for k in curve.values()]
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    across = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return across / sum((a - mean_x) ** 2 for a in x)


def _trend(results: Results, claim: Claim, curve: pd.DataFrame) -> Finding | None:
    """The slope of each seed that has all of the curve."""
    seeds = set.intersection(*(set(by_seed) for by_seed in curve["by_seed"]))
    by_seed = {
        seed: {cell["t"]: cell["by_seed"][seed] for cell in rows_of(curve)}
        for seed in sorted(seeds)
        if all(values[seed] > 0 for values in curve["by_seed"])
    }
    if not by_seed or len(curve) < 2:
        return None
    power = paired({seed: slope(k) for seed, k in by_seed.items()}, "")
    points = rows_of(curve)
    near, far = points[0], points[-1]
    factors = [k[near["t"]] / k[far["t"]] for k in by_seed.values()]
    known = {cell["t"]: k for cell in points if (k := published_value(results.published, cell))}
    paper = slope(known) if len(known) == len(curve) else None
    text = mean_text(
        power, f"Over the {len(curve)} pairs up to t = {far['t']:.0f} {where(near)}, K of DDPM goes as t to the power"
    )
    text += f"; paper, other data and network: {number(paper, 3)}" if paper else ""
    text += f". From t = {far['t']:.0f} to {near['t']:.0f} it rises by a factor of "
    text += f"{listed([number(factor, 2) for factor in factors])} ({seeds_text(len(factors))}"
    text += f"; paper: {number(known[near['t']] / known[far['t']], 2)})." if paper else ")."
    return Finding(claim, text, change=power, expected=-1, published=paper)


def zero_inside(results: Results, claim: Claim) -> list[Finding]:
    """K of etsdm inside its sub-intervals; only a network that predicts eps itself repeats its answer there."""
    table = _k(results, claim.experiment)
    table = table[(table["method"] == OURS) & (table["prediction"] == "eps") & (table["n"] > 0)]
    shared = table[[inside(cell, cell["t_prime"], cell["t"]) for cell in rows_of(table)]] if len(table) else table
    findings = []
    for label, group in shared.groupby("method_label", sort=False):
        times = listed(sorted({int(t) for t in group["t"]}))
        most = max(value for by_seed in group["by_seed"] for value in by_seed.values())
        if most == 0:
            text = f"{label}'s K is exactly 0 inside its shared sub-intervals: t = {times}, "
            text += f"{seeds_text(group['n'].max())}."
        else:
            text = f"{label}'s K is up to {number(most)} inside its shared sub-intervals (t = {times})."
        findings.append(Finding(claim, text, "same direction and size" if most == 0 else "opposite"))
    return findings


def largest(results: Results, claim: Claim) -> list[Finding]:
    """The largest K over all pairs of times, etsdm's against ddpm's."""
    table = _k(results, claim.experiment)
    ours = table[table["method"] == OURS]
    findings = []
    for label, group in ours.groupby("method_label", sort=False):
        pairs = [p for _, mine in group.groupby(NETWORK, sort=False) if (p := _largest_pair(results, table, mine))]
        findings.append(summary(claim, f"{label}'s largest K over all t", "than DDPM's", -1, pairs))
    return findings


def _largest_pair(results: Results, table: pd.DataFrame, mine: pd.DataFrame) -> Pair | None:
    first = rows_of(mine)[0]
    ddpm = same(table[table["method"] == BASELINE], first, NETWORK)
    if ddpm.empty:
        return None
    peaks = _peak(ddpm)["by_seed"], _peak(mine)["by_seed"]
    return Pair(change(*peaks, "K"), _published_peaks(results, rows_of(ddpm)[0], first))


def _published_peaks(results: Results, ddpm: Cell, mine: Cell) -> float | None:
    """The published effect on the largest K, where the paper has both curves."""
    if any(published_value(results.published, cell) is None for cell in (ddpm, mine)):
        return None
    peaks = curves_of(results.published, ddpm["experiment"]).groupby("method")["value"].max()
    return math.log(peaks[mine["method"]] / peaks[ddpm["method"]])


def _peak(curve: pd.DataFrame) -> Cell:
    """The first cell of a curve with each seed's largest value instead of its own."""
    peaks: dict[int, float] = {}
    for by_seed in curve["by_seed"]:
        for seed, value in by_seed.items():
            peaks[seed] = max(value, peaks.get(seed, value))
    return rows_of(curve)[0] | {"by_seed": peaks}
