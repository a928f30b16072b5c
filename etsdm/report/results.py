"""All that a report is made from, read once."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from etsdm.report.cells import Key, cells
from etsdm.report.names import method_name, setting_name
from etsdm.report.noise_floor import Floor, noise_floors
from etsdm.report.options import OPTIONS
from etsdm.report.published import Published, read_published
from etsdm.report.rows import why_missing
from etsdm.runtime.files import read_json
from etsdm.runtime.intact import is_whole

WRITTEN: dict[str, Callable[[str], str]] = {"method": method_name, "solver": str}
"""How the names of things are written for people."""


@dataclass(frozen=True)
class Results:
    """All a report is made from.

    Attributes:
        root: root of the results, for image archives and manifests.
        inventory: the plan as plain data.
        rows: the tidy table of measurements, with `method_label` and `solver_label` added.
        losses: the training curves.
        published: the paper's values.
    """

    root: Path
    inventory: dict[str, Any]
    rows: pd.DataFrame
    losses: pd.DataFrame
    published: Published
    _cells: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        config: dict[str, Any] = self.inventory["config"]
        return config

    @property
    def seeds(self) -> list[int]:
        """Seeds of the configuration."""
        seeds: list[int] = self.config["seeds"]
        return seeds

    @cached_property
    def methods(self) -> list[str]:
        """Every method that was measured or trained."""
        trained = [] if self.losses.empty else list(self.losses["method"])
        return list(dict.fromkeys([*self.rows["method"].dropna(), *trained]))

    @property
    def margin(self) -> float:
        """Changes below this share are equivalent to none."""
        margin: float = self.config["evaluation"]["margin"]
        return margin

    @cached_property
    def floors(self) -> dict[Key, Floor]:
        """The noise floors of all that is measured."""
        return noise_floors(self.rows)

    def blocks(self, experiment: str) -> list[dict[str, Any]]:
        """The settings of one experiment: a block or several; none if the configuration lacks it."""
        blocks = self.config["experiments"].get(experiment) or []
        return blocks if isinstance(blocks, list) else [blocks]

    def block(self, experiment: str) -> dict[str, Any]:
        """The settings of an experiment that has one block; empty if the configuration lacks it."""
        return next(iter(self.blocks(experiment)), {})

    def experiment(self, name: str) -> pd.DataFrame:
        """Rows of one experiment."""
        return self.rows[self.rows["experiment"] == name]

    def cells(self, experiment: str) -> pd.DataFrame:
        """The cells of one experiment."""
        if experiment not in self._cells:
            self._cells[experiment] = cells(self.experiment(experiment))
        return self._cells[experiment]

    def single(self, experiment: str) -> dict[str, Any] | None:
        """The result of an experiment that makes one file; None if it was not run or failed."""
        files = [self.root / m["file"] for m in self.inventory["measurements"] if m["experiment"] == experiment]
        return read_json(files[0]) if files and is_whole(files[0]) else None

    @cached_property
    def failures(self) -> pd.DataFrame:
        """One row for each file that is missing, with the reason."""
        rows = self.rows[self.rows["value"].isna()].drop_duplicates(["experiment", "file"])
        missing = [
            {"experiment": m["experiment"], "file": m["file"], "reason": why_missing(m, self.root)}
            for m in self.inventory["measurements"]
            if not m["model"] and not (self.root / m["file"]).exists()
        ]
        return pd.DataFrame([*rows.to_dict("records"), *missing], columns=self.rows.columns)

    @property
    def measured(self) -> int:
        """How many files of measurements there should be."""
        return len({(m["experiment"], m["file"]) for m in self.inventory["measurements"]})


def load(report: Path, root: Path, published: Path | None) -> Results:
    """Read `inventory.json`, `rows.csv` and `losses.csv` from the report's folder.

    Args:
        report: the report's folder.
        root: root of the results.
        published: CSV of the paper's results, or None.
    """
    rows = with_labels(pd.read_csv(report / "rows.csv", keep_default_na=False, na_values=[""]))
    try:
        losses = pd.read_csv(report / "losses.csv")
    except pd.errors.EmptyDataError:
        losses = pd.DataFrame()
    return Results(root, read_json(report / "inventory.json"), rows, losses, read_published(published))


def with_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `method_label` and `solver_label`, short names that are unique in their experiment."""
    for kind in ("method", "solver"):
        labels_of = {}
        for experiment, group in rows.groupby("experiment"):
            labels_of[experiment] = labels(group[kind], group[f"{kind}_parameters"], WRITTEN[kind])
        keys = zip(rows["experiment"], rows[kind], rows[f"{kind}_parameters"], strict=True)
        known = [labels_of[experiment].get((name, text)) for experiment, name, text in keys]
        rows = rows.assign(**{f"{kind}_label": pd.Series(known, index=rows.index, dtype=object)})
    return rows


def labels(names: pd.Series, parameters: pd.Series, written: Callable[[str], str] = str) -> dict[tuple[str, str], str]:
    """Short names: the name alone, followed by those of its settings that tell it from others of that name.

    Args:
        names: names, NA where there is none.
        parameters: settings as JSON objects.
        written: how a name is written for people.
    """
    known: dict[str, dict[str, dict[str, Any]]] = {}
    for name, text in dict.fromkeys(zip(names, parameters, strict=True)):
        if isinstance(name, str):
            known.setdefault(name, {})[text] = json.loads(text)
    labels: dict[tuple[str, str], str] = {}
    for name, by_text in known.items():
        for text, settings in by_text.items():
            telling = [key for key in settings if len({json.dumps(s.get(key)) for s in by_text.values()}) > 1]
            words = ", ".join(
                OPTIONS[key](settings[key]) if key in OPTIONS else f"{setting_name(key)} {settings[key]}"
                for key in telling
            )
            labels[name, text] = f"{written(name)} ({words})" if words else written(name)
    return labels
