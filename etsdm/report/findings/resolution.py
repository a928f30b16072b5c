"""Findings on the size of the images."""

import statistics

import pandas as pd

from etsdm.report.cells import BASELINE, CELL, COMPARED, Cell, Key, baselines, cells, is_frechet, key
from etsdm.report.changes import interval_text, mean_interval, signed, verdict
from etsdm.report.findings.finding import Claim, Finding, pair, summary
from etsdm.report.results import Results

GAIN = Claim(
    "resolution",
    "gain grows with the images",
    "Does E-TSDM gain more on larger images? (Yes: its change is lower.)",
    question=True,
)
GROWTH = Claim(
    "resolution",
    "K/√d grows with the images",
    "Does ddpm's K/√d near t = 0 grow with the images? (Yes: higher.)",
    question=True,
)
CLAIMS = (GAIN, GROWTH)
SERIES = [column for column in CELL if column != "resolution"]


def findings(results: Results) -> list[Finding]:
    """Findings on `CLAIMS`."""
    table = cells(results.experiment("resolution"))
    return [*_gain(results, table), *_growth(results, table)]


def _ends(series: pd.DataFrame) -> tuple[Cell, Cell] | None:
    """The cells of the smallest and of the largest images."""
    ordered = series.sort_values("resolution")
    return (ordered.iloc[0], ordered.iloc[-1]) if len(ordered) > 1 else None


def _gain(results: Results, table: pd.DataFrame) -> list[Finding]:
    """The change against ddpm on the largest images minus that on the smallest, for each method."""
    others = table[table["metric"].map(is_frechet).astype(bool) & (table["method"] != BASELINE)]
    ddpm, found = baselines(table), []
    for (label, metric), group in others.groupby(["method_label", "metric"], sort=False):
        ends = [both for _, one in group.groupby(SERIES, dropna=False, sort=False) if (both := _ends(one))]
        by_seed: dict[int, list[float]] = {}
        for small, large in ends:
            gains = [_change(results, ddpm, cell) for cell in (small, large)]
            for seed in gains[0].keys() & gains[1].keys():
                by_seed.setdefault(seed, []).append(gains[1][seed] - gains[0][seed])
        if by_seed:
            sides = ends[0][0]["resolution"], ends[0][1]["resolution"]
            found.append(_gained(f"{label}'s change of {metric} against ddpm", sides, by_seed))
    return found


def _change(results: Results, ddpm: dict[Key, Cell], cell: Cell) -> dict[int, float]:
    base = ddpm.get(key(cell, COMPARED))
    return {} if base is None else pair(results, base, cell).change.by_seed


def _gained(subject: str, sides: tuple[int, int], by_seed: dict[int, list[float]]) -> Finding:
    differences = [statistics.fmean(values) for _, values in sorted(by_seed.items())]
    mean = statistics.fmean(differences)
    text = f"{subject} is {signed(mean)[:-2].lstrip('+−')} points {'lower' if mean < 0 else 'higher'} at {sides[1]} px"
    text += f" than at {sides[0]} px"
    if len(differences) > 1:
        low, high = mean_interval(differences)
        each = ", ".join(signed(value)[:-2] for value in differences)
        text += f" (95 % interval {interval_text(low, high)[:-2]} points; each seed: {each})."
    else:
        text += " (one seed: nothing can be told from chance)."
    return Finding(GAIN, verdict(differences, -1), text)


def _growth(results: Results, table: pd.DataFrame) -> list[Finding]:
    """K/√d of ddpm at the smallest t, on the largest images against the smallest."""
    table = table[(table["metric"] == "K-per-sqrt-dimension") & (table["method"] == BASELINE)]
    table = table[table["t"] == table["t"].min()]
    ends = [both for _, one in table.groupby(SERIES, dropna=False, sort=False) if (both := _ends(one))]
    if not ends:
        return []
    small, large = ends[0]
    subject = f"ddpm's K/√d at t = {small['t']:.0f}"
    relation = f"at {large['resolution']} px than at {small['resolution']} px"
    return [summary(GROWTH, subject, relation, 1, [pair(results, a, b) for a, b in ends])]
