"""What to do next: how many seeds would decide what is undecided."""

import math
import statistics

from etsdm.report.changes import Change
from etsdm.report.findings.finding import Finding
from etsdm.report.power import smallest_visible
from etsdm.report.results import Results
from etsdm.report.text import listed
from etsdm.report.verdicts import SEEN

MOST = 1000
"""Seeds that are tried."""


def next_steps(results: Results, findings: list[Finding]) -> list[str]:
    """Sentences on what would tell more.

    Args:
        results: the measurements.
        findings: on every claim.
    """
    open_ = [one for one in findings if one.role == "primary" and one.verdict == "undecided" and one.change]
    if len(results.seeds) < 2:
        return [
            "One seed decides nothing. Give more numbers as seeds: three show large changes, five to ten smaller ones."
        ]
    needed = [count for one in open_ if one.change and (count := seeds_for(one.change, results.margin))]
    if not needed:
        return []
    names = listed([one.claim.experiment for one in open_])
    count = math.ceil(statistics.median(needed))
    most = f"more than {MOST:,}" if count > MOST else f"about {count:,}"
    return [
        f"Undecided: {names}. A change of {100 * results.margin:g} % would be called {SEEN} with {most} seeds, the "
        f"median over these claims; this run has {len(results.seeds)}. Results of seeds that are there stay."
    ]


def seeds_for(change: Change, margin: float) -> int:
    """Seeds with which a change of `margin` would be called, if the spread over seeds stays as it is.

    Returns:
        The number, `MOST` + 1 if it is larger than that, and 0 where no spread is known or the change is none in per
        cent.
    """
    if change.unit != "%" or math.isnan(change.error) or change.error == 0:
        return 0
    seeds, wanted = len(change.effects), math.log1p(margin)
    for count in range(2, MOST + 1):
        error = change.error * math.sqrt(seeds / count)
        if smallest_visible(error, count - 1) <= wanted:
            return count
    return MOST + 1
