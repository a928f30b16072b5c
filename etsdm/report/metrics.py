"""What the report knows of each metric: which way is better, the unit of its changes, and whether verdicts use it.

Distances between features say so themselves, in `etsdm/metrics`. All other metrics stand here.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from etsdm.errors import UserError
from etsdm.metrics import names
from etsdm.report.text import listed


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: its name in `rows.csv`.
        better: which values are better.
        judged: whether verdicts are made of it; all others stand in the tables alone.
        description: one sentence for the page; empty where the title of the table says it.
        unit: unit of a change that is a difference; None: changes are differences of logarithms.
        label: name of an axis; empty: the metric's own name.
        frechet: whether it is a Frechet distance, as the paper's FID is.
    """

    name: str
    better: Literal["lower", "higher"] = "lower"
    judged: bool = True
    description: str = ""
    unit: str | None = None
    label: str = ""
    frechet: bool = False


METRICS = (
    Metric("K", judged=False),
    Metric("K-per-sqrt-dimension", judged=False),
    Metric("K-in-x", label="K in x"),
    Metric("change-predicted"),
    Metric("change-solved"),
    Metric("error-predicted", label="error of the predicted x₀"),
    Metric("excess-predicted", judged=False, label="excess error of the predicted x₀"),
    Metric("solver-error", label="distance to the solution"),
    Metric("psnr", better="higher", unit="dB"),
    Metric("ssim", better="higher", unit=""),
    Metric("colour-bias"),
)


@cache
def of(name: str) -> Metric:
    """The metric of a row.

    Args:
        name: as in `rows.csv`, such as `psnr` or `fd-classifier-1k`.

    Raises:
        UserError: no metric is known by this name, so nobody knows which way is better.
    """
    own = {metric.name: metric for metric in METRICS}
    if name in own:
        return own[name]
    try:
        distance = names.distance_of(name)
    except UserError as error:
        raise UserError(f"{error}; and {', '.join(own)}") from None
    better: Literal["lower", "higher"] = "higher" if distance.higher_is_better else "lower"
    about = names.description(name)
    return Metric(name, better, distance.judged, about, distance.unit, frechet=distance.name == "frechet")


def is_frechet(name: str) -> bool:
    """Whether a metric is a Frechet distance, as the paper's FID is."""
    return of(name).frechet


def is_fid(name: str) -> bool:
    """Whether a metric is FID itself, so that the paper's levels can stand beside it."""
    return is_frechet(name) and name.startswith("fid-")


def judged(name: str) -> bool:
    """Whether verdicts are made of a metric."""
    return of(name).judged


def better(name: str) -> int:
    """The sign of a change for the better: -1 where lower is better."""
    return -1 if of(name).better == "lower" else 1


def directions(names: list[str]) -> str:
    """Which way is better, in words: `lower is better`, or that and the metrics for which it is not so."""
    ways = {name: of(name).better for name in names}
    usual = "lower" if "lower" in ways.values() or not ways else "higher"
    others = [name for name, way in ways.items() if way != usual]
    return f"{usual} is better" + (f" (higher for {listed(others)})" if others else "")


def unit(name: str) -> str | None:
    """Unit of a change that is a difference; None: changes are differences of logarithms."""
    return of(name).unit


def axis_name(name: str) -> str:
    """Name of an axis, and which way is better."""
    return f"{of(name).label or name}\n({directions([name])})"
