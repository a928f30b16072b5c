"""Every claim and question this report can speak about."""

from collections.abc import Callable

from etsdm.report.contents import experiments
from etsdm.report.findings import alternatives, distances, lipschitz, probes, progress, resolution, theory
from etsdm.report.findings.finding import Claim, Finding, with_p_values
from etsdm.report.results import Results

FIND: dict[str, Callable[[Results], list[Finding]]] = {
    "lipschitz": lipschitz.findings,
    "datasets": distances.datasets,
    "fast-sampling": distances.fast_sampling,
    "schedules": distances.schedules,
    "predictions": distances.predictions,
    "alternatives": alternatives.alternatives,
    "ablation": alternatives.ablation,
    "stability": probes.stability,
    "super-resolution": probes.super_resolution,
    "solver-error": probes.solver_error,
    "resolution": resolution.findings,
    "progress": progress.findings,
    "theory": theory.findings,
}
"""For each experiment, in the order of the report, the function that judges it."""

CLAIMS = [
    claim
    for experiment in FIND
    for module in (lipschitz, distances, alternatives, probes, resolution, progress, theory)
    for claim in module.CLAIMS
    if claim.experiment == experiment
]


def findings(results: Results) -> list[Finding]:
    """A finding or more for every claim; one that could not be judged is `not run`."""
    asked = experiments(results.inventory)
    made = [finding for name in FIND if name in asked for finding in with_p_values(FIND[name](results), results.margin)]
    return [one for claim in CLAIMS for one in _of(claim, made) or [_not_run(claim, asked)]]


def _of(claim: Claim, made: list[Finding]) -> list[Finding]:
    return [finding for finding in made if finding.claim == claim]


def _not_run(claim: Claim, asked: list[str]) -> Finding:
    reason = "There is nothing to judge it by." if claim.experiment in asked else "Not in this configuration."
    return Finding(claim, reason, "not run")
