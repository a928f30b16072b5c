"""What the measurements say about the paper's claims, computed from paired seeds; nothing typed by hand."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from scipy.stats import t as student_t

from etsdm.report.cells import (
    BASELINE,
    CELL,
    SETTING,
    Cell,
    Results,
    baseline,
    cells,
    is_frechet,
    listed,
    number,
    percent,
    same,
)
from etsdm.report.contents import SAMPLED
from etsdm.report.published import K_DDPM, published_value

Verdict = Literal["same direction and size", "same direction", "no difference", "opposite", "one seed", "not run"]

RULE = (
    "A difference is called only if every seed agrees in its sign and its mean over seeds is larger than its "
    "standard deviation over seeds; with one seed nothing is called. What must hold exactly, a K of 0, needs no "
    "spread and is called from any number of seeds. The direction is that of the paper's claim; the size is called "
    "the same if it lies between half and twice the published one. Seeds are paired: each compares networks "
    "trained, and images sampled, from the same seed."
)

PAPER_SOLVERS = ("ddim", "dpm-solver-2", "dpm-solver-3")
"""Solvers for which the paper reports two budgets."""


@dataclass(frozen=True)
class Finding:
    """A claim of the paper, what is measured here, and the verdict."""

    claim: str
    verdict: Verdict
    measured: str


@dataclass(frozen=True)
class Change:
    """A paired change from one cell to another, in per cent of the first one's mean.

    Attributes:
        differences: other minus first, a value a seed.
        percent: mean difference; NaN if there are no pairs or the first mean is not positive.
        sd: standard deviation of the differences over seeds; NaN below two pairs.
    """

    differences: tuple[float, ...]
    percent: float
    sd: float


def change(first: dict[int, float], other: dict[int, float]) -> Change:
    """The change from `first` to `other`, both {seed: value}, over the seeds that both have."""
    seeds = [seed for seed in first if seed in other]
    differences = tuple(other[seed] - first[seed] for seed in seeds)
    level = statistics.fmean(first[seed] for seed in seeds) if seeds else 0.0
    if level <= 0:
        return Change(differences, float("nan"), float("nan"))
    sd = 100 * statistics.stdev(differences) / level if len(seeds) > 1 else float("nan")
    return Change(differences, 100 * statistics.fmean(differences) / level, sd)


def verdict(
    differences: Sequence[float], expected: int, size: float | None = None, published: float | None = None
) -> Verdict:
    """Apply `RULE`.

    Args:
        differences: paired differences, one a seed.
        expected: sign the paper claims, +1 or -1.
        size: the measured effect.
        published: the published effect, if there is one.
    """
    if not differences:
        return "not run"
    if len(differences) == 1:
        return "one seed"
    mean, spread = statistics.fmean(differences), statistics.stdev(differences)
    agree = all(d > 0 for d in differences) or all(d < 0 for d in differences)
    if not agree or abs(mean) <= spread:
        return "no difference"
    if mean * expected < 0:
        return "opposite"
    if size is not None and published and 0.5 <= size / published <= 2:
        return "same direction and size"
    return "same direction"


def false_calls(seeds: int) -> float:
    """Share of cells in which `RULE` would call a difference, at most, if there were none.

    For independent normal differences the mean exceeds the standard deviation when Student's t exceeds sqrt(seeds).
    """
    return float(2 * student_t.sf(math.sqrt(seeds), seeds - 1))


def published_change(published: pd.DataFrame, first: Cell, other: Cell) -> float | None:
    """The published change between two cells in per cent, or None."""
    a, b = published_value(published, first), published_value(published, other)
    return None if a is None or b is None else 100 * (b / a - 1)


def cell_verdict(differences: Sequence[float], measured: float, published: float | None) -> Verdict:
    """The verdict for one cell of a method that the paper claims to lower the distance."""
    return verdict(differences, -1, measured, published)


# ---------------------------------------------------------------- the claims


def _where(cell: Cell) -> str:
    return f"on {cell['dataset']} ({cell['resolution']} px), {cell['schedule']} schedule"


def _seeds(n: int) -> str:
    return f"{n} seed" if n == 1 else f"{n} seeds"


def _lipschitz_fall(results: Results) -> list[Finding]:
    """K of ddpm from the first fine pair to the last."""
    claim = "The time-Lipschitz constant K of ddpm explodes towards t = 0."
    settings = results.config["experiments"]["lipschitz"]
    table = cells(results.experiment("lipschitz"))
    table = table[(table["metric"] == "K") & (table["method"] == BASELINE)]
    findings = []
    for _, near in table[table["t"] == settings["fine_step"]].iterrows():
        far = same(table, near, [c for c in CELL if c not in ("t", "t_prime")])
        far = far[far["t"] == settings["fine_until"]].iloc[0]
        seeds = [seed for seed in near["by_seed"] if seed in far["by_seed"]]
        if not seeds:
            continue
        pairs = [(near["by_seed"][seed], far["by_seed"][seed]) for seed in seeds]
        high, low = (statistics.fmean(values) for values in zip(*pairs, strict=True))
        factor = high / low if low else float("inf")
        ends = [(int(c["t_prime"]), int(c["t"])) for c in (near, far)]
        paper = K_DDPM[ends[0]] / K_DDPM[ends[1]] if all(end in K_DDPM for end in ends) else None
        word = "falls" if high > low else "rises"
        each = ", ".join(number(a / b, 2) for a, b in pairs if b)
        findings.append(
            Finding(
                claim,
                verdict([a - b for a, b in pairs], 1, factor, paper),
                f"K of ddpm {word} from {number(high)} at t = {ends[0][1]} to {number(low)} at "
                f"t = {ends[1][1]} {_where(near)}: a factor of {number(factor, 2)} ("
                f"{_seeds(len(seeds))}: {each}"
                + (f"; paper, other data and network: {number(paper, 2)})." if paper else ")."),
            )
        )
    return findings or [Finding(claim, "not run", "No time-Lipschitz constants of ddpm.")]


def _shared_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose pair of times lies inside one shared sub-interval."""

    def inside(row: Any) -> bool:
        settings = json.loads(row.method_parameters)
        length = settings["t_tilde"] / settings["n"]
        return row.t < settings["t_tilde"] and row.t_prime // length == row.t // length

    return rows[[inside(row) for row in rows.itertuples()]]


def _lipschitz_zero(results: Results) -> list[Finding]:
    claim = "Sharing the condition makes K zero inside each sub-interval."
    rows = results.experiment("lipschitz")
    rows = rows[(rows["metric"] == "K") & (rows["method"] == "etsdm")].dropna(subset=["t", "value"])
    shared = _shared_pairs(rows) if len(rows) else rows
    findings = []
    for label, group in shared.groupby("method_label", sort=False):
        times = listed(sorted({int(t) for t in group["t"]}))
        largest, n = group["value"].max(), group["seed"].nunique()
        if largest == 0:
            text = f"{label}'s K is exactly 0 inside its shared sub-intervals: t = {times}, {_seeds(n)}."
        else:
            text = f"{label}'s K is up to {number(largest)} inside its shared sub-intervals (t = {times})."
        findings.append(Finding(claim, "same direction and size" if largest == 0 else "opposite", text))
    return findings or [Finding(claim, "not run", "No time-Lipschitz constants inside a shared sub-interval.")]


@dataclass(frozen=True)
class _Pair:
    """Two cells, compared seed by seed."""

    change: Change
    by_seed: dict[int, float]
    """Change in per cent for each seed."""
    published: float | None


def _pair(published: pd.DataFrame, first: Cell, other: Cell) -> _Pair:
    a, b = first["by_seed"], other["by_seed"]
    by_seed = {seed: 100 * (b[seed] / a[seed] - 1) for seed in a if seed in b and a[seed] > 0}
    return _Pair(change(a, b), by_seed, published_change(published, first, other))


def _summary(claim: str, subject: str, relation: str, expected: int, pairs: list[_Pair], seeds: int) -> Finding:
    """One finding from many pairs: the mean change over the pairs that all seeds have."""
    complete = [pair for pair in pairs if len(pair.by_seed) == seeds]
    if not complete:
        return Finding(claim, "not run", f"{subject}: no two cells to compare in all seeds.")
    changes = [statistics.fmean(pair.by_seed[seed] for pair in complete) for seed in complete[0].by_seed]
    mean = statistics.fmean(changes)
    known = [pair.published for pair in complete if pair.published is not None]
    paper = statistics.fmean(known) if known else None
    word, reverse = ("lower", "higher") if expected < 0 else ("higher", "lower")
    as_expected = sum(pair.change.percent * expected > 0 for pair in complete)
    called = [verdict(pair.change.differences, expected) for pair in complete]
    text = (
        f"{subject} is {word} {relation} in {as_expected} of {len(complete)} cells "
        f"(means over {_seeds(seeds)}); the rule calls {called.count('same direction')} {word}, "
        f"{called.count('opposite')} {reverse}. "
        f"Mean change {percent(mean, statistics.stdev(changes) if seeds > 1 else None)}"
        f" (each seed: {', '.join(percent(value) for value in changes)}"
    )
    if paper is not None:
        among = "" if len(known) == len(complete) else f" over the {len(known)} of these cells it has"
        text += f"; paper: {percent(paper)}{among}"
    missing = len(pairs) - len(complete)
    text += ")." + (f" Left out, for want of a value: {missing} of {len(pairs)} cells." if missing else "")
    return Finding(claim, verdict(changes, expected, mean, paper if len(known) == len(complete) else None), text)


def _distances(results: Results, published: pd.DataFrame, experiment: str) -> list[Finding]:
    """Each method against ddpm under the Frechet distances of one experiment."""
    table = cells(results.experiment(experiment))
    claim = {
        "datasets": "E-TSDM lowers the distance to the data on every data set.",
        "fast-sampling": "E-TSDM lowers the distance under few-step solvers.",
    }[experiment]
    findings = []
    others = table[(table["method"] != BASELINE) & table["metric"].map(is_frechet)]
    for (label, metric), group in others.groupby(["method_label", "metric"], sort=False):
        bases = [(baseline(table, cell), cell) for _, cell in group.iterrows()]
        pairs = [_pair(published, base, cell) for base, cell in bases if base is not None]
        subject = f"{label}'s {metric}"
        findings.append(_summary(claim, subject, "than ddpm's", -1, pairs, len(results.seeds)))
    return findings or [Finding(claim, "not run", "No Frechet distances of a method other than ddpm.")]


def _budgets(published: pd.DataFrame, series: pd.DataFrame) -> tuple[Cell, Cell] | None:
    """The cells of a solver's smallest and largest NFE, among the paper's where at least two of them are here."""
    ordered = series.sort_values("nfe")
    in_paper = ordered[[published_value(published, cell) is not None for _, cell in ordered.iterrows()]]
    chosen = in_paper if len(in_paper) > 1 else ordered
    return (chosen.iloc[0], chosen.iloc[-1]) if len(chosen) > 1 else None


def _more_steps(results: Results, published: pd.DataFrame) -> list[Finding]:
    """Each method with the larger budget of a fast solver against itself with the smaller one."""
    table = cells(results.experiment("fast-sampling"))
    table = table[table["solver"].isin(PAPER_SOLVERS) & table["metric"].map(is_frechet)]
    findings = []
    for method, word, expected in ((BASELINE, "worse", 1), ("etsdm", "better", -1)):
        claim = f"With more evaluations of a fast solver, {method} gets {word}."
        mine = table[table["method"] == method]
        for (label, metric), group in mine.groupby(["method_label", "metric"], sort=False):
            series = group.groupby([*SETTING, "solver", "solver_parameters"], sort=False)
            ends = [pair for _, one in series if (pair := _budgets(published, one))]
            if ends:
                budgets = dict.fromkeys(f"{a['solver']} ({a['nfe']:.0f} to {b['nfe']:.0f} NFE)" for a, b in ends)
                subject = f"Under {listed(list(budgets))}, {label}'s {metric}"
                relation = "at the larger budget than at the smaller"
                pairs = [_pair(published, a, b) for a, b in ends]
                findings.append(_summary(claim, subject, relation, expected, pairs, len(results.seeds)))
    return findings


def findings(results: Results, published: pd.DataFrame) -> list[Finding]:
    """Every claim this report can speak about; an experiment that was not asked for is `not run`."""
    asked = results.config["experiments"]
    found = []
    if asked.get("lipschitz"):
        found += _lipschitz_fall(results) + _lipschitz_zero(results)
    else:
        found.append(Finding("K explodes towards t = 0; sharing removes it.", "not run", "Not in this config."))
    for experiment in SAMPLED:
        if asked.get(experiment):
            found += _distances(results, published, experiment)
        else:
            found.append(Finding(f"Experiment {experiment}.", "not run", "Not in this config."))
    if asked.get("fast-sampling"):
        found += _more_steps(results, published)
    return found
