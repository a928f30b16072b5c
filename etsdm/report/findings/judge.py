"""Every claim and question this report can speak about."""

from etsdm.report.broken import why_broken
from etsdm.report.findings.finding import Finding, with_p_values
from etsdm.report.results import Results
from etsdm.report.section import Claim, Section
from etsdm.report.sections import sections, sections_of


def findings(results: Results) -> list[Finding]:
    """A finding or more for every claim; one that could not be judged is `not run`."""
    here = sections_of(results.inventory)
    judged = [finding for one in here for finding in _judged(results, one)]
    claims = [claim for one in sections() for claim in one.claims]
    names = [one.name for one in here]
    return [finding for claim in claims for finding in _of(claim, judged) or [_not_run(claim, names)]]


def _judged(results: Results, section: Section) -> list[Finding]:
    """The findings of a section; where it could not be judged, one for each claim that says why."""
    if section.findings is None:
        return []
    try:
        return with_p_values(section.findings(results), results.margin)
    except Exception as error:  # whatever it is, the page is made
        reason = why_broken(error)
    return [Finding(claim, f"Could not be judged: {reason}.", "not run", failed=reason) for claim in section.claims]


def _of(claim: Claim, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.claim == claim]


def _not_run(claim: Claim, here: list[str]) -> Finding:
    reason = "There is nothing to judge it by." if claim.experiment in here else "Not in this configuration."
    return Finding(claim, reason, "not run")
