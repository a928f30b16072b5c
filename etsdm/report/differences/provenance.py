"""How two benchmarks were made: code, versions, hardware, cost and configuration."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from etsdm.report.cells import POINT, PROCESS, Key, key
from etsdm.report.differences.side import Side
from etsdm.report.provenance import SHORT
from etsdm.report.text import counted, duration, listed
from etsdm.runtime.places import without_places

NOT_KNOWN = "not known"
PACKAGES = {"PyTorch": "torch", "NumPy": "numpy"}
NETWORK = [
    *("dataset", "resolution", *PROCESS, "images_seen", "ema_half_life"),
    *("method", "method_parameters", "seed"),
]
"""What tells networks apart."""
OF_RUN = [*NETWORK, "solver", "solver_parameters", "nfe"]
RUN = [*OF_RUN, "metric", *POINT]
"""What tells measurements apart; those that share the columns `OF_RUN` may be of one run."""


@dataclass(frozen=True)
class Pair:
    """One thing about both.

    Attributes:
        name: what it is.
        first, other: its text for each.
    """

    name: str
    first: str
    other: str

    @property
    def differs(self) -> bool:
        """Whether the two differ."""
        return self.first != self.other


def provenance(first: Side, other: Side, rows: pd.DataFrame, others: pd.DataFrame) -> list[Pair]:
    """What is known of both; what neither knows is left out.

    Args:
        first, other: the two.
        rows, others: their rows, after `settings.alike`: costs count what both have.
    """
    mine, theirs = dict(_of(first)), dict(_of(other))
    pairs = [*(Pair(name, text, theirs[name]) for name, text in mine.items()), *_costs(rows, others)]
    return [pair for pair in pairs if not pair.first == NOT_KNOWN == pair.other]


def configured(first: Side, other: Side) -> list[Pair]:
    """The keys of the resolved configurations that differ; none where a folder has no inventory."""
    if not first.inventory or not other.inventory:
        return []
    mine, theirs = (without_places(side.inventory["config"]) for side in (first, other) if side.inventory)
    return [pair for pair in _changed(mine, theirs) if pair.name != "name"]


def _changed(first: dict[str, Any], other: dict[str, Any], above: str = "") -> Iterable[Pair]:
    """What differs, each with the keys above it: `training.images`. A missing key is as one without a value."""
    for name in {**first, **other}:
        mine, theirs = _named(first.get(name)), _named(other.get(name))
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from _changed(mine, theirs, f"{above}{name}.")
        elif mine != theirs:
            yield Pair(f"{above}{name}", _shown(mine), _shown(theirs))


def _named(value: Any) -> Any:
    """A list of settings with different names by these names; all else as it is."""
    if not isinstance(value, list) or not all(isinstance(one, dict) and "name" in one for one in value):
        return value
    by_name = {one["name"]: {key: part for key, part in one.items() if key != "name"} for one in value}
    return by_name if len(by_name) == len(value) else value


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return "given"
    return value if isinstance(value, str) else json.dumps(value)


def _of(side: Side) -> Iterable[tuple[str, str]]:
    rows, manifests = side.rows, list(side.manifests.values())
    yield "benchmark", side.name
    yield "seeds", listed(sorted(rows["seed"].dropna().astype(int).unique()))
    yield "revision", _values(_short(revision) for revision in rows["revision"].dropna().unique())
    yield "device", _values(rows["device"].dropna().unique())
    yield "processor", _values(f"{one['cpu']}, {counted(one['cpus'], 'CPU')}" for one in manifests if one.get("cpu"))
    for name, package in PACKAGES.items():
        yield name, _values(one["packages"][package] for one in manifests if package in one.get("packages", {}))
    yield "real images", _values(digest[:SHORT] for digest in rows["reference_digest"].dropna().unique())
    yield "encoders", _values(_encoders(side))


def _values(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts)) or NOT_KNOWN


def _short(revision: str) -> str:
    """Its first digits, and whether the working copy was edited."""
    digits, _, edited = str(revision).partition("-")
    return f"{digits[:SHORT]}, edited" if edited else digits[:SHORT]


def _encoders(side: Side) -> Iterable[str]:
    """The first digits of the digests of the networks behind the distances, as far as manifests tell."""
    encoders = (side.inventory or {}).get("encoders", {})
    for manifest in (side.manifests[path] for path in encoders if path in side.manifests):
        yield from (digest[:SHORT] for digest in sorted(manifest.get("outputs", {}).values()))


def _costs(rows: pd.DataFrame, others: pd.DataFrame) -> list[Pair]:
    """Time of the trainings, and of sampling and probing, that both have."""
    mine, theirs = (_seconds(table, NETWORK, "train_seconds") for table in (rows, others))
    runs, other_runs = (_seconds(table, RUN, "seconds") for table in (rows, others))
    return [
        _cost("training", mine, theirs, len(NETWORK)),
        _cost("sampling and probes", runs, other_runs, len(OF_RUN)),
    ]


def _seconds(rows: pd.DataFrame, keys: list[str], column: str) -> dict[Key, float]:
    values: dict[Key, float] = {}
    for row in rows.dropna(subset=[column]).to_dict("records"):
        values.setdefault(key(row, keys), float(row[column]))
    return values


def _cost(name: str, mine: dict[Key, float], theirs: dict[Key, float], width: int) -> Pair:
    """Seconds of the same things. The metrics of one run have its seconds each, which count once.

    Args:
        name: of these things.
        mine, theirs: seconds by what tells measurements apart.
        width: how many of those columns tell runs apart.
    """
    both = {(at[:width], seconds): theirs[at] for at, seconds in mine.items() if at in theirs}
    if not both:
        return Pair(name, NOT_KNOWN, NOT_KNOWN)
    first, other = sum(seconds for _, seconds in both), sum(both.values())
    ratio = f" ({other / first:.2f} times as long)" if first and first != other else ""
    return Pair(f"{name} of both", duration(first), f"{duration(other)}{ratio}")
