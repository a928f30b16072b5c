"""The table of the theory: what diverges, and E-TSDM's error against its bound."""

from typing import Any

from etsdm.report.results import Results
from etsdm.report.tables.table import Table, build_table
from etsdm.report.text import number


def exact_table(results: Results, experiment: str) -> Table:
    """A row for each schedule, plain and modified, in each time: derivative, and error and bound for each n."""
    theory = results.single(experiment)
    if theory is None:
        failed = results.failures[results.failures["experiment"] == experiment]
        row: dict[str, object] = {"value": None, "reason": failed["reason"].iloc[0]}
        return build_table(
            experiment, f"Experiment {experiment}: failed", [row], [{"Value": "NA", "Note": row["reason"]}]
        )
    slopes = {(one["schedule"], one["flattened"]): one for one in theory["derivative"]}
    full, display = [], []
    for sharing in theory["sharing"]:
        slope = slopes[sharing["schedule"], sharing["flattened"]]
        full += [_full(sharing, slope, point) for point in sharing["points"]]
        display.append(_display(sharing, slope))
    title = (
        f"Experiment {experiment}: the best noise prediction ε* on a mixture of Gaussians in {theory['dimension']} "
        f"dimensions, {theory['n']} samples; t̃ = {theory['t_tilde']}. Error and bound of sharing are the largest over "
        "t and samples. Slopes and exponents at t = 0 in continuous time, in steps"
    )
    return build_table(experiment, title, full, display)


def _full(sharing: dict[str, Any], slope: dict[str, Any], point: dict[str, Any]) -> dict[str, object]:
    return {
        **{key: sharing[key] for key in ("schedule", "flattened", "time", "order")},
        **{key: slope[key] for key in ("alpha_slope", "exponent", "diverges")},
        **point,
    }


def _display(sharing: dict[str, Any], slope: dict[str, Any]) -> dict[str, object]:
    points = {point["n"]: point for point in sharing["points"]}
    row: dict[str, object] = {
        "Schedule": sharing["schedule"] + (", modified" if sharing["flattened"] else ""),
        "Time": sharing["time"],
        "dα/dt at 0": number(slope["alpha_slope"]),
        "‖d ε*/dt‖ ~ t^p, p": number(slope["exponent"]),
        "Diverges": "yes" if slope["diverges"] else "no",
    }
    for n in (min(points), max(points)):
        row[f"Error, n = {n}"] = number(points[n]["error_max"])
        row[f"Bound, n = {n}"] = number(points[n]["bound_max"])
    return row | {
        "Largest error / bound": number(max(point["ratio_max"] for point in sharing["points"])),
        "Order in dt": number(sharing["order"]),
    }
