"""A line of `etsdm doctor`, and what its checks look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from etsdm.plan.plan import Plan

Mark = Literal["fine", "missing", "no matter"]
"""What a check says: it is there; it is needed and is not there; it is not there and will not matter."""


@dataclass(frozen=True)
class Line:
    """What a check says.

    Attributes:
        what: the thing that was looked for.
        mark: whether it is there.
        text: what there is, or why it is missing.
        cure: how to get what is missing; empty where nothing is to be done.
    """

    what: str
    mark: Mark
    text: str
    cure: str = ""


@dataclass(frozen=True)
class Case:
    """What the checks look at.

    Attributes:
        results: root folder of the results, which need not be there.
        plan: of the configuration; None without one.
        config: its file, for commands to give; the word CONFIG without one.
    """

    results: Path
    plan: "Plan | None" = None
    config: str = "CONFIG"

    @property
    def folder(self) -> Path:
        """The results folder, or the nearest folder above it that there is."""
        place = self.results.absolute()
        return next(folder for folder in (place, *place.parents) if folder.is_dir())


def size(amount: float) -> str:
    """Bytes as text: `3.2 GB`."""
    return f"{amount / 1e9:,.1f} GB" if amount >= 1e8 else f"{amount / 1e6:,.1f} MB"
