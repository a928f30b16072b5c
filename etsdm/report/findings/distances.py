"""Findings of the experiments that compare distances to the data: E-TSDM against ddpm, solver by solver."""

import pandas as pd

from etsdm.report.cells import BASELINE, REPLICA, SETTING, Cell, cells
from etsdm.report.findings.finding import Claim, Finding, against_ddpm, pair, pairs, summary
from etsdm.report.metrics import is_frechet
from etsdm.report.published import published_value
from etsdm.report.results import Results
from etsdm.report.text import listed

DATASETS = Claim(
    "datasets", "gain on every data set", "E-TSDM lowers the distance to the data on every data set.", primary=True
)
FAST = Claim(
    "fast-sampling", "gain under few-step solvers", "E-TSDM lowers the distance under few-step solvers.", primary=True
)
WORSE = Claim("fast-sampling", "ddpm worse with more steps", "With more evaluations of a fast solver, ddpm gets worse.")
BETTER = Claim(
    "fast-sampling", "etsdm better with more steps", "With more evaluations of a fast solver, etsdm gets better."
)
SCHEDULES = Claim(
    "schedules",
    "gain under every schedule",
    "E-TSDM lowers the distance under every schedule, in discrete and in continuous time.",
    primary=True,
)
PREDICTIONS = Claim(
    "predictions",
    "gain whatever is predicted",
    "Does E-TSDM lower the distance whatever the network predicts? (Yes: lower.)",
    question=True,
    primary=True,
)
CONTROL = Claim(
    "fast-sampling",
    "control: 2M beats DDIM at 10 NFE",
    "A difference that everybody knows is called: with 10 evaluations DPM-Solver++ 2M beats DDIM.",
    question=True,
    control=True,
)
CHANCE = Claim(
    "fast-sampling",
    "A/A: ddpm against itself",
    "ddpm against itself with other seeds (replica): whatever is called here is called by chance.",
    question=True,
    control=True,
)
CLAIMS = (DATASETS, FAST, WORSE, BETTER, CONTROL, CHANCE, SCHEDULES, PREDICTIONS)

PAPER_SOLVERS = ("ddim", "dpm-solver-2", "dpm-solver-3")
"""Solvers for which the paper reports two budgets."""


def datasets(results: Results) -> list[Finding]:
    """Every data set."""
    return against_ddpm(results, DATASETS)


def fast_sampling(results: Results) -> list[Finding]:
    """Few-step solvers, and what more steps do."""
    return [
        *against_ddpm(results, FAST),
        *_more_steps(results, WORSE, BASELINE, 1),
        *_more_steps(results, BETTER, "etsdm", -1),
        *_control(results),
        *_chance(results),
    ]


def schedules(results: Results) -> list[Finding]:
    """Every schedule and time."""
    return against_ddpm(results, SCHEDULES)


def predictions(results: Results) -> list[Finding]:
    """Whatever the network predicts."""
    return against_ddpm(results, PREDICTIONS)


def _budgets(results: Results, series: pd.DataFrame) -> tuple[Cell, Cell] | None:
    """The cells of a solver's smallest and largest NFE of those that the paper reports; None unless two are here."""
    ordered = series.sort_values("nfe")
    known = ordered[[published_value(results.published, cell) is not None for _, cell in ordered.iterrows()]]
    return (known.iloc[0], known.iloc[-1]) if len(known) > 1 else None


def _more_steps(results: Results, claim: Claim, method: str, expected: int) -> list[Finding]:
    """A method with the larger budget of a fast solver against itself with the smaller one."""
    table = cells(results.experiment("fast-sampling"))
    mine = table[table["solver"].isin(PAPER_SOLVERS) & table["metric"].map(is_frechet) & (table["method"] == method)]
    found = []
    for (label, metric), group in mine.groupby(["method_label", "metric"], sort=False):
        series = group.groupby([*SETTING, "solver", "solver_parameters"], sort=False)
        ends = [both for _, one in series if (both := _budgets(results, one))]
        if ends:
            budgets = dict.fromkeys(f"{a['solver']} ({a['nfe']:.0f} to {b['nfe']:.0f} NFE)" for a, b in ends)
            subject = f"Under {listed(list(budgets))}, {label}'s {metric}"
            relation = "at the larger budget than at the smaller"
            found.append(summary(claim, subject, relation, expected, [pair(results, a, b) for a, b in ends]))
    return found


CONTROL_NFE = 10
"""Evaluations at which the second order of 2M is known to matter."""


def _control(results: Results) -> list[Finding]:
    """The positive control: ddpm under DPM-Solver++ 2M against itself under DDIM."""
    table = cells(results.experiment("fast-sampling"))
    mine = table[(table["nfe"] == CONTROL_NFE) & table["metric"].map(is_frechet) & (table["method"] == BASELINE)]
    found = []
    for metric, group in mine.groupby("metric", sort=False):
        settings = group.groupby(SETTING, sort=False)
        both = [(_of(one, "ddim"), _of(one, "dpm-solver++-2m")) for _, one in settings]
        compared = [pair(results, first, other) for first, other in both if first is not None and other is not None]
        if compared:
            subject = f"With {CONTROL_NFE} evaluations, ddpm's {metric} under DPM-Solver++ 2M"
            found.append(summary(CONTROL, subject, "than under DDIM", -1, compared))
    return found


def _of(group: pd.DataFrame, solver: str) -> Cell | None:
    """The first cell of a solver."""
    cells = group[group["solver"] == solver]
    return cells.iloc[0] if len(cells) else None


def _chance(results: Results) -> list[Finding]:
    """The A/A test: each replica against ddpm."""
    table = cells(results.experiment("fast-sampling"))
    mine = table[table["metric"].map(is_frechet) & (table["method"] == REPLICA)]
    return [
        summary(CHANCE, f"{label}'s {metric}", "than ddpm's", -1, pairs(results, table, group))
        for (label, metric), group in mine.groupby(["method_label", "metric"], sort=False)
    ]
