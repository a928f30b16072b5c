"""Verdicts that changed."""

from dataclasses import dataclass

import pandas as pd

NONE = "not run"


@dataclass(frozen=True)
class Judged:
    """The verdicts on one claim, which may have several findings.

    Attributes:
        experiment, claim: as in the table of verdicts.
        first, other: the verdicts of each benchmark in the order of its table; `NONE` alone where it has none.
    """

    experiment: str
    claim: str
    first: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether they differ."""
        return self.first != self.other

    @property
    def steps(self) -> list[tuple[str, str]]:
        """From what to what: finding by finding where both have as many, else all of them at once."""
        if len(self.first) == len(self.other):
            return [(a, b) for a, b in zip(self.first, self.other, strict=True) if a != b]
        return [(", ".join(self.first), ", ".join(self.other))]


def judged(first: pd.DataFrame, other: pd.DataFrame) -> list[Judged]:
    """The verdicts on each claim, in the order of the tables; none where either folder has no table.

    Args:
        first, other: verdicts as `Side` has them.
    """
    if first.empty or other.empty:
        return []
    mine, theirs = _by_claim(first), _by_claim(other)
    return [Judged(*at, mine.get(at, (NONE,)), theirs.get(at, (NONE,))) for at in {**mine, **theirs}]


def _by_claim(table: pd.DataFrame) -> dict[tuple[str, str], tuple[str, ...]]:
    verdicts: dict[tuple[str, str], tuple[str, ...]] = {}
    for experiment, claim, verdict in table.itertuples(index=False):
        verdicts[experiment, claim] = (*verdicts.get((experiment, claim), ()), verdict)
    return verdicts
