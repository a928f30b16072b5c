"""What a run of a given size could have seen."""

import math

from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as student_t

from etsdm.report.changes import LEVEL

POWER = 0.8
"""Probability with which the smallest visible change is called."""


def power(effect: float, error: float, freedom: float, level: float = LEVEL) -> float:
    """Probability that a two-sided t test at `level` calls an effect, in its own direction.

    The non-central t distribution (Cohen 1988, "Statistical power analysis", chapter 2).

    Args:
        effect: size of the true effect.
        error: standard error of its estimate.
        freedom: degrees of freedom of that error.
        level: probability of a call where there is no effect.
    """
    critical = float(student_t.ppf(1 - level / 2, freedom))
    return float(nct.sf(critical, freedom, abs(effect) / error))


def smallest_visible(error: float, freedom: float, level: float = LEVEL) -> float:
    """The effect that is called with the probability `POWER`; NaN where the error is not known.

    Args: see `power`.
    """
    if math.isnan(error) or error == 0:
        return error
    critical = float(student_t.ppf(1 - level / 2, freedom))
    high = critical + float(student_t.ppf(0.999, freedom)) + 10  # power rises from `level` / 2 at 0
    return error * float(brentq(lambda shift: nct.sf(critical, freedom, shift) - POWER, 0, high * 2))
