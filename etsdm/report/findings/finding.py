"""A claim or a question, and what is measured about it."""

import math
from dataclasses import dataclass, replace

import pandas as pd

from etsdm.report.cells import BASELINE, COMPARED, REPLICA, Cell, baselines, key, rows_of
from etsdm.report.changes import Change, change, mean_change, signed
from etsdm.report.compare import published_effect, sampling_sd
from etsdm.report.metrics import better, is_frechet
from etsdm.report.published import PARAMETERS, as_published, published_value
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.text import number
from etsdm.report.verdicts import SEEN, Verdict, holm, verdict, visible_text


@dataclass(frozen=True)
class Finding:
    """What is measured about a claim.

    Attributes:
        claim: the claim.
        text: what was measured, in sentences.
        exact: the verdict where nothing is tested: what holds exactly or not, and what was not run.
        change: what is tested otherwise.
        expected: sign that is claimed.
        published: the published effect.
        p, p_equivalent: of the verdict.
        tests: findings that share the level; 1 for a primary claim.
        role: `primary`, `exploratory` or `control`; empty where nothing is tested.
        failed: why the code could not judge it; empty if it could.
    """

    claim: Claim
    text: str
    exact: Verdict | None = None
    change: Change | None = None
    expected: int = -1
    published: float | None = None
    p: float = math.nan
    p_equivalent: float = math.nan
    tests: int = 0
    role: str = ""
    failed: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict by the rule."""
        if self.change is None:
            return self.exact or "not run"
        return verdict(self.change, self.expected, self.published, self.p, self.p_equivalent)

    @property
    def measured(self) -> str:
        """What was measured, and how sure it is."""
        return " ".join(filter(None, (self.text, self._sure(), self._could_see())))

    def _sure(self) -> str:
        if math.isnan(self.p):
            return ""
        holm = f", after Holm's correction over {self.tests} findings" if self.tests > 1 else ""
        p = "< 0.001" if self.p < 0.001 else f"= {number(self.p, 2)}"
        return f"{self.role.capitalize()}: p {p}{holm}."

    def _could_see(self) -> str:
        if self.verdict != "undecided" or self.change is None:
            return ""
        size = visible_text(self.change, max(self.tests, 1))
        return f"This run would have called {size} or more {SEEN}." if size else ""


def with_p_values(findings: list[Finding], margin: float) -> list[Finding]:
    """The findings of one experiment with their p values.

    The first on the primary claim is tested alone, and so is each control; all others carry Holm's correction.
    """
    primary = next((f for f in findings if f.claim.primary and f.change), None)
    others = [f for f in findings if f is not primary and f.change and not f.claim.control]
    by_holm = iter(_corrected(others, margin, "exploratory"))

    def judged(finding: Finding) -> Finding:
        if finding.change is None:
            return finding
        if finding is primary or finding.claim.control:
            return _corrected([finding], margin, "primary" if finding is primary else "control")[0]
        return next(by_holm)

    return [judged(finding) for finding in findings]


def _corrected(family: list[Finding], margin: float, role: str) -> list[Finding]:
    """A family of findings with p values corrected for their number."""
    changes = [f.change for f in family if f.change]
    ps, equivalent = holm([c.p for c in changes]), holm([c.p_equivalent(margin) for c in changes])
    count = sum(not math.isnan(p) for p in ps)
    return [
        replace(f, p=p, p_equivalent=same, tests=count, role=role)
        for f, p, same in zip(family, ps, equivalent, strict=True)
    ]


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
        published: the published effect.
        sampling: see `sampling_sd`.
    """

    change: Change
    published: float | None
    sampling: float = math.nan


def pair(results: Results, first: Cell, other: Cell) -> Pair:
    """Compare two cells of the same metric."""
    before, after = (published_value(results.published, cell) for cell in (first, other))
    return Pair(
        change(first["by_seed"], other["by_seed"], first["metric"]),
        published_effect(before, after, first["metric"]),
        sampling_sd(first, other),
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
    units = [p.change.unit for p in pairs if p.change.effects]
    if not units:
        return Finding(claim, f"{subject}: no two cells to compare.", "not run")
    unit = max(units, key=units.count)
    alike = [p for p in pairs if p.change.unit == unit]
    seeds = max((p.change.effects.keys() for p in alike), key=len)
    complete = [p for p in alike if p.change.effects.keys() >= seeds]
    mean = mean_change([p.change for p in complete])
    known = [p.published for p in complete if p.published is not None]
    paper = sum(known) / len(known) if known else None
    sentences = [
        _counts(subject, relation, expected, complete, len(seeds)),
        _mean(mean, paper, len(known), complete),
        *_sampling(complete),
    ]
    if len(pairs) > len(complete):
        sentences.append(f"Left out, as a value is missing: {len(pairs) - len(complete)} of {len(pairs)} cells.")
    alone = paper if len(known) == len(complete) else None
    return Finding(claim, " ".join(sentences), change=mean, expected=expected, published=alone)


def _counts(subject: str, relation: str, expected: int, pairs: list[Pair], seeds: int) -> str:
    word = "lower" if expected < 0 else "higher"
    as_expected = sum(p.change.effect * expected > 0 for p in pairs)
    if len(pairs) == 1:
        return f"{subject} is {'' if as_expected else 'not '}{word} {relation} (mean over {seeds_text(seeds)})."
    return f"{subject} is {word} {relation} in {as_expected} of {len(pairs)} cells (means over {seeds_text(seeds)})."


def _mean(mean: Change, paper: float | None, known: int, pairs: list[Pair]) -> str:
    """The mean change and every seed's, and the published one."""
    text = mean_text(mean, "Mean change" if len(pairs) > 1 else "Change")
    if paper is not None:
        among = "" if known == len(pairs) else f" over the {known} of these cells it has"
        text += f"; paper: {signed(mean.shown(paper), mean.unit)}{among}"
    return text + "."


def _sampling(pairs: list[Pair]) -> list[str]:
    """How far the change of one cell and seed moves with other images of the same networks, root mean square."""
    squares = [p.sampling**2 for p in pairs if not math.isnan(p.sampling)]
    if not squares:
        return []
    size = 100 * math.sqrt(sum(squares) / len(squares))
    return [f"Other images of the same networks would move the change of one cell and seed by ± {size:.1f} %."]


def mean_text(mean: Change, what: str) -> str:
    """A change, its interval and every seed's, without a full stop."""
    if len(mean.effects) == 1:
        return f"{what} {mean.text} (one seed: chance cannot be ruled out)"
    return f"{what} {mean.text}, 95 % interval {mean.interval} (each seed: {mean.each})"


def against_ddpm(results: Results, claim: Claim, metrics: list[str] | None = None, **only: object) -> list[Finding]:
    """Each other method of the claim's experiment against ddpm, the paper's E-TSDM and the paper's own cells first.

    One finding a method and metric; where the paper has some of the cells only, the others make one of their own.

    Args:
        results: the measurements.
        claim: the claim.
        metrics: which metrics; None: the Frechet distances.
        only: columns, and the value that cells must have in each.
    """
    table = results.cells(claim.experiment)
    for column, value in only.items():
        table = table[table[column] == value]
    wanted = table["metric"].map(is_frechet) if metrics is None else table["metric"].isin(metrics)
    others = table[wanted.astype(bool) & ~table["method"].isin([BASELINE, REPLICA])]
    numbered = [
        (not (is_etsdm(group) and own), summary(claim, subject, "than DDPM's", better(str(metric)), mine))
        for (label, metric), group in others.groupby(["method_label", "metric"], sort=False)
        for own, subject, mine in _parts(f"{label}'s {metric}", pairs(results, table, group))
    ]
    return [finding for _, finding in sorted(numbered, key=lambda one: one[0])]


def is_etsdm(group: pd.DataFrame) -> bool:
    """Whether the cells are of E-TSDM as the paper has it."""
    cell = rows_of(group)[0]
    return cell["method"] in PARAMETERS and cell["method"] != BASELINE and as_published(cell)


def _parts(subject: str, pairs: list[Pair]) -> list[tuple[bool, str, list[Pair]]]:
    """Whether it is of the paper's cells, subject and pairs: those that the paper has, and the others."""
    own = [p for p in pairs if p.published is not None]
    others = [p for p in pairs if p.published is None]
    if not own or not others:
        return [(True, subject, pairs)]
    return [(True, f"In the paper's cells {subject}", own), (False, f"In the other cells {subject}", others)]


def pairs(results: Results, table: pd.DataFrame, group: pd.DataFrame) -> list[Pair]:
    """Each cell of `group` against its ddpm cell in `table`."""
    ddpm = baselines(table)
    both = [(ddpm.get(key(cell, COMPARED)), cell) for cell in rows_of(group)]
    return [pair(results, base, cell) for base, cell in both if base is not None]
