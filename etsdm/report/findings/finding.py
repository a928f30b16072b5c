"""A claim or a question, and what is measured about it."""

import statistics
from dataclasses import dataclass

import pandas as pd

from etsdm.report.cells import BASELINE, COMPARED, Cell, baselines, better, cells, is_frechet, key
from etsdm.report.changes import (
    Change,
    Verdict,
    change,
    interval_text,
    mean_interval,
    published_change,
    signed,
    smallest_called,
    verdict,
)
from etsdm.report.published import published_value
from etsdm.report.results import Results


@dataclass(frozen=True)
class Claim:
    """What the paper claims, or what this benchmark asks.

    Attributes:
        experiment: the experiment that tells.
        short: a few words, for a list of claims.
        text: one sentence.
        question: whether it is ours and not the paper's; `same direction` then means yes.
    """

    experiment: str
    short: str
    text: str
    question: bool = False

    @property
    def label(self) -> str:
        """The few words, a question marked as one."""
        return f"{self.short}?" if self.question else self.short


@dataclass(frozen=True)
class Finding:
    """What is measured about a claim, and the verdict."""

    claim: Claim
    verdict: Verdict
    measured: str


def seeds_text(n: int) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{n} seed" if n == 1 else f"{n} seeds"


def where(cell: Cell) -> str:
    """Data set, schedule and time of a cell."""
    return f"on {cell['dataset']} ({cell['resolution']} px), {cell['schedule']} schedule, {cell['time']} time"


@dataclass(frozen=True)
class Pair:
    """Two cells, compared seed by seed.

    Attributes:
        change: from the first to the other.
        published: the published change.
    """

    change: Change
    published: float | None


def pair(results: Results, first: Cell, other: Cell) -> Pair:
    """Compare two cells of the same metric."""
    before, after = (published_value(results.published, cell) for cell in (first, other))
    return Pair(
        change(first["by_seed"], other["by_seed"], first["metric"]), published_change(before, after, first["metric"])
    )


def summary(claim: Claim, subject: str, relation: str, expected: int, pairs: list[Pair]) -> Finding:
    """One finding from many pairs: the mean change over the pairs that have all seeds and the same unit.

    Args:
        claim: the claim.
        subject: whose change of what.
        relation: against what, after `lower` or `higher`.
        expected: sign that is claimed.
        pairs: what to compare.
    """
    units = [p.change.unit for p in pairs if p.change.by_seed]
    if not units:
        return Finding(claim, "not run", f"{subject}: no two cells to compare.")
    unit = statistics.mode(units)
    alike = [p for p in pairs if p.change.unit == unit]
    seeds = max((set(p.change.by_seed) for p in alike), key=len)
    complete = [p for p in alike if p.change.by_seed.keys() >= seeds]
    changes = [statistics.fmean(p.change.by_seed[seed] for p in complete) for seed in sorted(seeds)]
    known = [p.published for p in complete if p.published is not None]
    paper = statistics.fmean(known) if known else None
    outcome = verdict(changes, expected, statistics.fmean(changes), paper if len(known) == len(complete) else None)
    sentences = [
        _counts(subject, relation, expected, complete, len(seeds)),
        _mean(changes, unit) + _paper(paper, len(known), len(complete), unit),
    ]
    if outcome == "undecided" and len(changes) > 1:
        smallest = signed(smallest_called(changes), unit=unit).lstrip("+")
        sentences.append(f"The smallest mean change that this spread would let be called is {smallest}.")
    if len(pairs) > len(complete):
        sentences.append(f"Left out, as a value is missing: {len(pairs) - len(complete)} of {len(pairs)} cells.")
    return Finding(claim, outcome, " ".join(sentences))


def _counts(subject: str, relation: str, expected: int, pairs: list[Pair], seeds: int) -> str:
    word, reverse = ("lower", "higher") if expected < 0 else ("higher", "lower")
    as_expected = sum(statistics.fmean(p.change.differences) * expected > 0 for p in pairs)
    called = [verdict(p.change.differences, expected) for p in pairs]
    return (
        f"{subject} is {word} {relation} in {as_expected} of {len(pairs)} cells (means over {seeds_text(seeds)}); the "
        f"rule calls {called.count('same direction')} {word}, {called.count('opposite')} {reverse}."
    )


def _mean(changes: list[float], unit: str) -> str:
    """The mean change and every seed's, without a full stop."""
    if len(changes) == 1:
        return f"Mean change {signed(changes[0], unit=unit)} (one seed: nothing can be told from chance)"
    low, high = mean_interval(changes)
    return (
        f"Mean change {signed(statistics.fmean(changes), statistics.stdev(changes), unit)}, 95 % interval "
        f"{interval_text(low, high, unit)} (each seed: {', '.join(signed(value, unit=unit) for value in changes)})"
    )


def _paper(paper: float | None, known: int, all_pairs: int, unit: str) -> str:
    among = "" if known == all_pairs else f" over the {known} of these cells it has"
    return "." if paper is None else f"; paper: {signed(paper, unit=unit)}{among}."


def against_ddpm(results: Results, claim: Claim, metrics: list[str] | None = None) -> list[Finding]:
    """Each other method of the claim's experiment against ddpm, one finding a method and metric.

    Args:
        results: the measurements.
        claim: the claim.
        metrics: which metrics; None: the Frechet distances.
    """
    table = cells(results.experiment(claim.experiment))
    wanted = table["metric"].map(is_frechet) if metrics is None else table["metric"].isin(metrics)
    others = table[wanted.astype(bool) & (table["method"] != BASELINE)]
    return [
        summary(claim, f"{label}'s {metric}", "than ddpm's", better(str(metric)), pairs(results, table, group))
        for (label, metric), group in others.groupby(["method_label", "metric"], sort=False)
    ]


def pairs(results: Results, table: pd.DataFrame, group: pd.DataFrame) -> list[Pair]:
    """Each cell of `group` against its ddpm cell in `table`."""
    ddpm = baselines(table)
    both = [(ddpm.get(key(cell, COMPARED)), cell) for _, cell in group.iterrows()]
    return [pair(results, base, cell) for base, cell in both if base is not None]
