"""Findings of the theory, which hold exactly or not and need no seeds."""

from typing import Any

from etsdm.diffusion.schedules import SCHEDULES
from etsdm.diffusion.schedules.levels import Straight
from etsdm.report.findings.finding import Finding
from etsdm.report.section import Claim
from etsdm.report.text import listed, number
from etsdm.report.verdicts import Verdict

EXPONENT = -0.5
ORDER = 0.5


def _name(one: dict[str, Any]) -> str:
    return one["schedule"] + (" (modified)" if one["flattened"] else "")


def _is_smooth(one: dict[str, Any]) -> bool:
    """Whether dσ/dt is finite at t = 0: modified, or a straight path."""
    return one["flattened"] or SCHEDULES[one["schedule"]].levels is Straight


def diverges(claim: Claim, theory: dict[str, Any]) -> Finding:
    not_smooth = [one for one in theory["derivative"] if not _is_smooth(one)]
    flat = [one for one in theory["derivative"] if _is_smooth(one)]
    diverging = [one for one in not_smooth if one["diverges"]]
    wrong = [one for one in flat if one["diverges"]]
    as_predicted = all(0.5 <= one["exponent"] / EXPONENT <= 2 for one in not_smooth)
    outcome: Verdict = "same direction"
    if not diverging:
        outcome = "opposite"
    elif len(diverging) < len(not_smooth) or wrong:
        outcome = "undecided"
    elif as_predicted:
        outcome = "same direction and size"
    powers = ", ".join(f"{_name(one)} {number(one['exponent'], 2)}" for one in not_smooth)
    text = f"It diverges under {len(diverging)} of {len(not_smooth)} schedules (power of t near 0: {powers}) and under "
    text += f"{len(wrong)} of {len(flat)} that are modified so that dα/dt = 0, or straight"
    return Finding(claim, text + (f": {listed([_name(one) for one in wrong])}." if wrong else "."), outcome)


def bound(claim: Claim, theory: dict[str, Any]) -> Finding:
    ratios = {_key(one): max(point["ratio_max"] for point in one["points"]) for one in theory["sharing"]}
    worst = max(ratios, key=lambda key: ratios[key])
    over = [key for key, ratio in ratios.items() if ratio > 1]
    text = f"The largest error is {number(ratios[worst])} of the bound at the same x, over all t, x and n ({worst})."
    if over:
        text += f" Above the bound: {listed(over)}."
    return Finding(claim, text, "opposite" if over else "same direction and size")


def _key(one: dict[str, Any]) -> str:
    return f"{_name(one)}, {one['time']} time"


def rate(claim: Claim, theory: dict[str, Any]) -> Finding:
    orders = {_key(one): one["order"] for one in theory["sharing"]}
    low, high = min(orders, key=lambda key: orders[key]), max(orders, key=lambda key: orders[key])
    least = orders[low]
    outcome: Verdict = "same direction and size" if least >= ORDER else "same direction" if least > 0 else "opposite"
    text = f"The measured order lies between {number(least, 2)} ({low}) and {number(orders[high], 2)} ({high})."
    return Finding(claim, text, outcome)
