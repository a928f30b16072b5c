"""Findings on the time-Lipschitz constant K."""

import json
import statistics
from itertools import pairwise
from typing import Any

import pandas as pd

from etsdm.report.cells import BASELINE, CELL, Cell, cells, same
from etsdm.report.changes import verdict
from etsdm.report.findings.finding import Claim, Finding, Pair, pair, seeds_text, summary, where
from etsdm.report.published import K_DDPM, K_ETSDM, published_k
from etsdm.report.results import Results
from etsdm.report.text import listed, number

EXPLODES = Claim(
    "lipschitz", "K explodes towards t = 0", "The time-Lipschitz constant K of ddpm explodes towards t = 0."
)
ZERO = Claim("lipschitz", "K is 0 inside sub-intervals", "Sharing the condition makes K zero inside each sub-interval.")
LARGEST = Claim("lipschitz", "the largest K falls", "E-TSDM lowers the largest K.")
CLAIMS = (EXPLODES, ZERO, LARGEST)


def findings(results: Results) -> list[Finding]:
    """Findings on `CLAIMS`."""
    return [*_fall(results), *_zero(results), *_largest(results)]


def _k(results: Results) -> pd.DataFrame:
    table = cells(results.experiment("lipschitz"))
    return table[table["metric"] == "K"].dropna(subset=["t"])


def _fall(results: Results) -> list[Finding]:
    """K of ddpm from the first fine pair to the last."""
    settings, table = results.block("lipschitz"), _k(results)
    table = table[table["method"] == BASELINE]
    found = []
    for _, near in table[table["t"] == settings["fine_step"]].iterrows():
        far = same(table, near, [c for c in CELL if c not in ("t", "t_prime")])
        far = far[far["t"] == settings["fine_until"]].iloc[0]
        values = [(near["by_seed"][seed], far["by_seed"][seed]) for seed in near["by_seed"] if seed in far["by_seed"]]
        if values:
            found.append(_fallen(near, far, values))
    return found


def _fallen(near: Cell, far: Cell, values: list[tuple[float, float]]) -> Finding:
    high, low = (statistics.fmean(ends) for ends in zip(*values, strict=True))
    factor = high / low if low else float("inf")
    papers = published_k(near), published_k(far)
    paper = papers[0] / papers[1] if papers[0] and papers[1] else None
    each = ", ".join(number(a / b, 2) for a, b in values if b)
    beside = f"; paper, other data and network: {number(paper, 2)}" if paper else ""
    return Finding(
        EXPLODES,
        verdict([a - b for a, b in values], 1, factor, paper),
        f"K of ddpm {'falls' if high > low else 'rises'} from {number(high)} at t = {near['t']:.0f} to {number(low)} "
        f"at t = {far['t']:.0f} {where(near)}: a factor of {number(factor, 2)} "
        f"({seeds_text(len(values))}: {each}{beside}).",
    )


def _left_ends(settings: dict[str, Any]) -> list[float] | None:
    """Left ends of the shared sub-intervals and t_tilde; None if the settings alone do not tell them."""
    ends, t_tilde, n = settings["partition"], settings["t_tilde"], settings["n"]
    if ends == "uniform":
        ends = [i * t_tilde / n for i in range(n)]
    return None if isinstance(ends, str) else [*ends, t_tilde]


def _inside(cell: Cell) -> bool:
    """Whether the pair of times lies inside one shared sub-interval."""
    ends = _left_ends(json.loads(cell["method_parameters"]))
    return ends is not None and any(low <= cell["t_prime"] and cell["t"] < high for low, high in pairwise(ends))


def _zero(results: Results) -> list[Finding]:
    """K of etsdm inside its sub-intervals; only a network that predicts eps itself repeats its answer there."""
    table = _k(results)
    table = table[(table["method"] == "etsdm") & (table["prediction"] == "eps") & (table["n"] > 0)]
    shared = table[[_inside(cell) for _, cell in table.iterrows()]] if len(table) else table
    found = []
    for label, group in shared.groupby("method_label", sort=False):
        times = listed(sorted({int(t) for t in group["t"]}))
        largest = max(value for by_seed in group["by_seed"] for value in by_seed.values())
        if largest == 0:
            text = f"{label}'s K is exactly 0 inside its shared sub-intervals: t = {times}, "
            text += f"{seeds_text(group['n'].max())}."
        else:
            text = f"{label}'s K is up to {number(largest)} inside its shared sub-intervals (t = {times})."
        found.append(Finding(ZERO, "same direction and size" if largest == 0 else "opposite", text))
    return found


def _largest(results: Results) -> list[Finding]:
    """The largest K over all pairs of times, etsdm's against ddpm's."""
    table = _k(results)
    ours = table[table["method"] == "etsdm"]
    found = []
    for label, group in ours.groupby("method_label", sort=False):
        pairs = [p for _, mine in group.groupby(SERIES, sort=False) if (p := _largest_pair(results, table, mine))]
        found.append(summary(LARGEST, f"{label}'s largest K over all t", "than ddpm's", -1, pairs))
    return found


SERIES = ["dataset", "resolution", "time", "schedule", "prediction"]


def _largest_pair(results: Results, table: pd.DataFrame, mine: pd.DataFrame) -> Pair | None:
    ddpm = same(table[table["method"] == BASELINE], mine.iloc[0], SERIES)
    if ddpm.empty:
        return None
    compared = pair(results, _peak(ddpm), _peak(mine))
    is_published = all(published_k(cell) is not None for cell in (ddpm.iloc[0], mine.iloc[0]))
    paper = 100 * (max(K_ETSDM.values()) / max(K_DDPM.values()) - 1) if is_published else None
    return Pair(compared.change, paper)


def _peak(curve: pd.DataFrame) -> Cell:
    """The first cell of a curve with each seed's largest value instead of its own."""
    peaks: dict[int, float] = {}
    for by_seed in curve["by_seed"]:
        for seed, value in by_seed.items():
            peaks[seed] = max(value, peaks.get(seed, value))
    cell = curve.iloc[0].copy()
    cell["by_seed"] = peaks
    return cell
