"""The table of an experiment that compares methods: a row for each cell, with its change against ddpm."""

import math

import pandas as pd

from etsdm.report.cells import METHOD, POINT, SETTING, SOLVER, same
from etsdm.report.changes import signed
from etsdm.report.compare import Compared, compare
from etsdm.report.metrics import directions
from etsdm.report.results import Results
from etsdm.report.tables.table import Table, all_values, build_table, setting, values, whole
from etsdm.report.text import mean_sd, number
from etsdm.report.verdicts import SEEN, visible, visible_text

DISTANCE = "distance to the data"
LEVELS_DIFFER = "the paper's levels, of other data and networks, cannot be compared, its changes can"
NOTES = (
    "Changes in % are means of paired logarithms, others of paired differences. Verdicts of single cells are "
    f"exploratory: p carries Holm's correction over the cells of this table. Visible: the change that would have "
    f"been called so, {SEEN}. Sampling: standard deviation of one seed's change if other images were drawn from the "
    "same two networks (bootstrap)"
)


def comparison_table(results: Results, experiment: str, shows: str, k_of: str | None = None) -> Table:
    """Every cell of one experiment: mean, spread and values over seeds, change against ddpm, and the paper's.

    Args:
        results: the measurements.
        experiment: name of the experiment.
        shows: what is measured, for the title.
        k_of: another experiment, whose K at the smallest t stands beside the same networks.
    """
    full, display = [], []
    compared = compare(results, experiment)
    metrics = list(dict.fromkeys(one.cell["metric"] for one in compared))
    constants = _smallest_k(results, k_of) if k_of else None
    for one in sorted(compared, key=lambda one: metrics.index(one.cell["metric"])):
        k = None if constants is None else same(constants, one.cell, [*SETTING[1:], *METHOD[:2]])
        full.append(_full(one))
        display.append(_display(one))
        if k is not None and len(k):
            time = f"{k['t'].iloc[0]:.0f}"
            full[-1][f"k_at_{time}"] = k["mean"].iloc[0]
            display[-1][f"K at t = {time}"] = mean_sd(k["mean"].iloc[0], k["sd"].iloc[0])
    return build_table(
        experiment, f"Experiment {experiment}: {shows}; {directions(metrics)}. {NOTES}", full, _filled(display)
    )


def _filled(display: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows with the same columns, notes last."""
    columns = dict.fromkeys(column for row in display for column in row if column != "Note")
    return [{column: row.get(column, "") for column in [*columns, "Note"]} for row in display]


def _smallest_k(results: Results, experiment: str) -> pd.DataFrame:
    """The cells of K at the smallest t."""
    table = results.cells(experiment)
    table = table[table["metric"] == "K"]
    return table[table["t"] == table["t"].min()]


def _full(one: Compared) -> dict[str, object]:
    cell, change = one.cell, one.change
    row = {column: cell[column] for column in [*SETTING, *SOLVER[:2], "nfe", *POINT, "metric", *METHOD[:2]]}
    return {
        **row,
        **all_values(cell),
        "change": change and change.mean,
        "change_low": change and change.low,
        "change_high": change and change.high,
        "change_unit": change and change.unit,
        "effects": change and " ".join(repr(effect) for effect in change.effects.values()),
        "error": change and change.error,
        "freedom": change and change.freedom,
        "p": one.p,
        "p_equivalent": one.p_equivalent,
        "tests": one.tests,
        "visible": change and visible(change, max(one.tests, 1)),
        "sampling_sd": one.sampling,
        "verdict": one.verdict,
        "published": one.paper,
        "published_change": one.paper_change,
        "seconds": cell["seconds"],
        "reason": cell["reason"],
    }


def _p(p: float) -> str:
    return "" if math.isnan(p) else "< 0.001" if p < 0.001 else number(p, 2)


def _display(one: Compared) -> dict[str, object]:
    cell, change = one.cell, one.change
    return {
        "Verdict": one.verdict or "",
        **setting(cell),
        "Solver": "" if pd.isna(cell["solver_label"]) else cell["solver_label"],
        "NFE": whole(cell["nfe"]),
        "t": whole(cell["t"]),
        "Noise std": "" if pd.isna(cell["perturbation_std"]) else f"{cell['perturbation_std']:g}",
        "Offset": "" if pd.isna(cell["condition_offset"]) else f"{cell['condition_offset']:+.0f}",
        "Metric": cell["metric"],
        "Method": cell["method_label"],
        "Mean ± sd": mean_sd(cell["mean"], cell["sd"]),
        "n": cell["n"],
        "Change": change.text if change else "",
        "95 % interval": change.interval if change else "",
        "p": _p(one.p),
        "Visible": visible_text(change, max(one.tests, 1)) if change and one.tests else "",
        "Sampling": "" if math.isnan(one.sampling) else f"± {100 * one.sampling:.1f} %",
        "Paper": "" if one.paper is None else number(one.paper),
        "Paper's change": signed(one.paper_change, unit=change.unit) if change and one.paper_change is not None else "",
        "Values": values(cell["by_seed"]),
        "Note": cell["reason"],
    }
