"""How many seeds would decide what is undecided."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from etsdm.report.changes import Change, paired
from etsdm.report.findings.finding import Finding
from etsdm.report.next_steps import MOST, next_steps, seeds_for
from etsdm.report.section import Claim

CLAIM = Claim("comparison", "gain", "E-TSDM lowers the distance.", primary=True)


def change(spread: float, seeds: int = 4) -> Change:
    """A change of 0 with this standard deviation over seeds, of logarithms."""
    effects = np.linspace(-1, 1, seeds)
    return paired(dict(enumerate((effects * spread / effects.std(ddof=1)).tolist())), "%")


def test_so_many_seeds_do_call_the_change_in_four_of_five_runs() -> None:
    """Simulated: runs of that many seeds with the spread that was seen and a true change of 5 %."""
    count = seeds_for(change(0.06), 0.05)
    effects = np.random.default_rng(0).normal(math.log1p(0.05), 0.06, (4000, count))
    called = (ttest_1samp(effects, 0, axis=1).pvalue <= 0.05).mean()
    assert 0.79 < called < 0.86 and count > 4
    fewer = (ttest_1samp(effects[:, :-1], 0, axis=1).pvalue <= 0.05).mean()
    assert fewer < 0.81


def test_a_change_that_no_number_of_seeds_shows_is_more_than_the_most() -> None:
    assert seeds_for(change(50.0), 0.05) == MOST + 1
    assert seeds_for(paired({0: 0.1}, "%"), 0.05) == 0, "one seed has no spread"
    assert seeds_for(paired({0: 0.1, 1: 0.3}, "dB"), 0.05) == 0


def steps(findings: list[Finding], seeds: int) -> list[str]:
    results: Any = SimpleNamespace(seeds=list(range(seeds)), margin=0.05)
    return next_steps(results, findings)


def test_what_is_undecided_is_named_with_the_seeds_that_it_takes() -> None:
    open_ = Finding(CLAIM, "It is lower.", change=change(0.06), p=0.5, role="primary")
    (step,) = steps([open_], 4)
    assert step.startswith(
        "Undecided: comparison. A change of 5 % would be called with a probability of 80 % with about"
    )
    assert f"about {seeds_for(change(0.06), 0.05)} seeds" in step and "this run has 4" in step
    assert steps([], 4) == []
    assert "One seed decides nothing." in steps([open_], 1)[0]
    assert "`" not in steps([open_], 1)[0], "pages and terminals show Markdown as it is"


@pytest.mark.parametrize("spread", [0.01, 0.2])
def test_more_spread_takes_more_seeds(spread: float) -> None:
    assert seeds_for(change(spread), 0.05) < seeds_for(change(2 * spread), 0.05)
