"""The table of verdicts: a row for each finding, and in its CSV the limits of what was measured."""

from etsdm.report.changes import signed
from etsdm.report.findings.finding import Finding
from etsdm.report.findings.judge import findings
from etsdm.report.overview import limits
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.sections import section
from etsdm.report.tables.table import Table, build_table
from etsdm.report.text import listed, number

LIMIT = "limit"
"""Kind of a row that is no finding: its text says what the measurements cannot show."""


def verdict_table(results: Results, name: str) -> Table:
    """Every finding of what was run, with its test.

    Args:
        results: the measurements.
        name: of the table.
    """
    shown = [finding for finding in findings(results) if finding.verdict != "not run"]
    common = {"benchmark": results.inventory["name"], "seeds": listed(results.seeds)}
    full = [common | _full(finding) for finding in shown]
    full += [common | {"kind": LIMIT, "measured": sentence} for sentence in limits(results)]
    title = "Every finding: changes are means over cells, paired by seed"
    return build_table(name, title, full, [_display(finding) for finding in shown])


def kind(claim: Claim) -> str:
    """Who makes a claim: the paper, or this benchmark, which asks or knows the answer."""
    return "control" if claim.control else "question" if claim.question else "claim"


def _full(finding: Finding) -> dict[str, object]:
    claim, change = finding.claim, finding.change
    row: dict[str, object] = {
        "experiment": claim.experiment,
        "topic": claim.topic or section(claim.experiment).topic,
        "kind": kind(claim),
        "short": claim.short,
        "claim": claim.text,
        "role": finding.role,
        "verdict": finding.verdict,
        "p": finding.p,
        "p_equivalent": finding.p_equivalent,
        "tests": finding.tests,
        "measured": finding.measured,
    }
    if change:
        row |= {"n": len(change.effects), "change": change.mean, "low": change.low, "high": change.high}
        row["unit"] = change.unit
    return row


def _display(finding: Finding) -> dict[str, object]:
    change = finding.change
    return {
        "Verdict": finding.verdict,
        "Experiment": finding.claim.experiment,
        "Claim": finding.claim.label,
        "Role": finding.role or "exact",
        "Change": signed(change.mean, change.unit) if change else "",
        "95 % interval": change.interval if change else "",
        "n": len(change.effects) if change else "",
        "p": number(finding.p, 2) if finding.role else "",
    }
