"""What the report knows of each metric: which way is better, the unit of its changes, and whether verdicts use it."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from etsdm.errors import UserError


@dataclass(frozen=True)
class Metric:
    """One metric, or all distances of one protocol.

    Attributes:
        name: its name; of a distance, the name without the number of images.
        better: which values are better.
        judged: whether verdicts are made of it; all others stand in the tables alone.
        description: one sentence for the page; empty where the title of the table says it.
        unit: unit of a change that is a difference; None: changes are differences of logarithms.
        label: name of an axis; empty: the metric's own name.
        frechet: whether it is a Frechet distance, as the paper's FID is.
        counted: whether the number of images follows the name.
    """

    name: str
    better: Literal["lower", "higher"] = "lower"
    judged: bool = True
    description: str = ""
    unit: str | None = None
    label: str = ""
    frechet: bool = False
    counted: bool = False


METRICS = (
    Metric(
        "fid-clean-inception",
        description="FID: Frechet distance between Inception features, images resized as by clean-fid; "
        "equal to clean-fid's own number within 1e-3.",
        frechet=True,
        counted=True,
    ),
    Metric(
        "kid-clean-inception",
        judged=False,
        description="KID: unbiased kernel distance between the same features, over all pairs of images "
        "instead of random subsets.",
        counted=True,
    ),
    Metric(
        "fd-classifier",
        description="Frechet distance between features of a small classifier that this workflow trained on "
        "the data set's own labels. It is not FID and cannot be compared with any FID.",
        frechet=True,
        counted=True,
    ),
    Metric(
        "kd-classifier",
        judged=False,
        description="Kernel distance between features of that classifier. It is not KID.",
        counted=True,
    ),
    Metric("K", judged=False),
    Metric("K-per-sqrt-dimension", judged=False),
    Metric("change-predicted"),
    Metric("change-solved"),
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
    protocol = name.rpartition("-")[0]
    for metric in METRICS:
        if metric.name == (protocol if metric.counted else name):
            return metric
    known = ", ".join(metric.name for metric in METRICS)
    raise UserError(f"metric {name!r}: not known to the report; known: {known}")


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


def unit(name: str) -> str | None:
    """Unit of a change that is a difference; None: changes are differences of logarithms."""
    return of(name).unit


def label(name: str) -> str:
    """Name of an axis."""
    return of(name).label or name
