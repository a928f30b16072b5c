"""Every claim and question this report can speak about."""

from etsdm.report.findings.finding import Finding, with_p_values
from etsdm.report.results import Results
from etsdm.report.section import Claim, Section
from etsdm.report.sections import asked, sections


def findings(results: Results) -> list[Finding]:
    """A finding or more for every claim; one that could not be judged is `not run`."""
    here = asked(results.inventory)
    made = [finding for one in here for finding in _judged(results, one)]
    claims = [claim for one in sections() for claim in one.claims]
    names = [one.name for one in here]
    return [finding for claim in claims for finding in _of(claim, made) or [_not_run(claim, names)]]


def _judged(results: Results, section: Section) -> list[Finding]:
    return with_p_values(section.findings(results), results.margin) if section.findings else []


def _of(claim: Claim, made: list[Finding]) -> list[Finding]:
    return [finding for finding in made if finding.claim == claim]


def _not_run(claim: Claim, here: list[str]) -> Finding:
    reason = "There is nothing to judge it by." if claim.experiment in here else "Not in this configuration."
    return Finding(claim, reason, "not run")
