"""Findings of the theory, which hold exactly or not and need no seeds."""

from typing import Any

from etsdm.report.findings.finding import Claim, Finding
from etsdm.report.results import Results
from etsdm.report.text import listed, number
from etsdm.report.verdicts import Verdict

EXPONENT = -0.5
ORDER = 0.5
DIVERGES = Claim(
    "theory",
    "eps* singular where dα/dt is not 0",
    "Does d eps*/dt diverge at t = 0 wherever dα/dt is not 0 there, and only there? (Yes: as t^(-1/2).)",
    question=True,
)
BOUND = Claim(
    "theory",
    "error below its bound",
    "Does E-TSDM's error stay below the paper's bound? (Yes: for every n.)",
    question=True,
)
RATE = Claim(
    "theory",
    "error of order 1/2 or more",
    "Is E-TSDM's error at least of order 1/2 in the sub-interval? (Yes: 1/2 or more.)",
    question=True,
)
CLAIMS = (DIVERGES, BOUND, RATE)


def findings(results: Results) -> list[Finding]:
    """Findings on `CLAIMS`."""
    theory = results.theory
    return [] if theory is None else [_diverges(theory), _bound(theory), _rate(theory)]


def _name(one: dict[str, Any]) -> str:
    return one["schedule"] + (" (modified)" if one["flattened"] else "")


def _diverges(theory: dict[str, Any]) -> Finding:
    plain = [one for one in theory["derivative"] if not one["flattened"]]
    flat = [one for one in theory["derivative"] if one["flattened"]]
    diverging = [one for one in plain if one["diverges"]]
    wrong = [one for one in flat if one["diverges"]]
    as_predicted = all(0.5 <= one["exponent"] / EXPONENT <= 2 for one in plain)
    outcome: Verdict = "same direction"
    if not diverging:
        outcome = "opposite"
    elif len(diverging) < len(plain) or wrong:
        outcome = "undecided"
    elif as_predicted:
        outcome = "same direction and size"
    powers = ", ".join(f"{_name(one)} {number(one['exponent'], 2)}" for one in plain)
    text = f"It diverges under {len(diverging)} of {len(plain)} schedules (power of t near 0: {powers}) and under "
    text += f"{len(wrong)} of {len(flat)} that are modified so that dα/dt = 0"
    return Finding(DIVERGES, text + (f": {listed([_name(one) for one in wrong])}." if wrong else "."), outcome)


def _bound(theory: dict[str, Any]) -> Finding:
    ratios = {_key(one): max(point["ratio_max"] for point in one["points"]) for one in theory["sharing"]}
    worst = max(ratios, key=lambda key: ratios[key])
    over = [key for key, ratio in ratios.items() if ratio > 1]
    text = f"The largest error is {number(ratios[worst])} of the bound at the same x, over all t, x and n ({worst})."
    if over:
        text += f" Above the bound: {listed(over)}."
    return Finding(BOUND, text, "opposite" if over else "same direction and size")


def _key(one: dict[str, Any]) -> str:
    return f"{_name(one)}, {one['time']} time"


def _rate(theory: dict[str, Any]) -> Finding:
    orders = {_key(one): one["order"] for one in theory["sharing"]}
    low, high = min(orders, key=lambda key: orders[key]), max(orders, key=lambda key: orders[key])
    least = orders[low]
    outcome: Verdict = "same direction and size" if least >= ORDER else "same direction" if least > 0 else "opposite"
    text = f"The measured order lies between {number(least, 2)} ({low}) and {number(orders[high], 2)} ({high})."
    return Finding(RATE, text, outcome)
