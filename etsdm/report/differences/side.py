"""One of two finished benchmarks, read from the folder of its report or from a published one."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from etsdm.config.registry import Registry
from etsdm.diffusion.loss_weights import NONE
from etsdm.diffusion.training_times import UNIFORM
from etsdm.errors import UserError
from etsdm.experiments import EXPERIMENTS
from etsdm.report.provenance import KINDS
from etsdm.report.results import with_labels
from etsdm.report.rows import COLUMNS
from etsdm.runtime.files import read_json
from etsdm.runtime.intact import Manifest, read_manifest
from etsdm.solvers import SOLVERS

ROWS, VERDICTS, INVENTORY = "rows.csv", "verdicts.csv", "inventory.json"
NEEDED = [
    *("experiment", "dataset", "resolution", "method", "method_parameters"),
    *("solver", "solver_parameters", "nfe", "seed", "metric", "value"),
]
"""Columns without which nothing can be compared. Tables of older revisions may lack all others."""
BEFORE = {"training_times": UNIFORM, "loss_weight": NONE}
"""What the results of older revisions have that lack these columns."""
NAMED: dict[str, Registry[Any]] = {"experiment": EXPERIMENTS, "solver": SOLVERS}
"""Columns that hold names of things, some of which had another name before."""
JUDGED = ["experiment", "claim", "verdict"]
"""Columns of the table of verdicts that are compared."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        folder: the folder that was given.
        rows: its measurements in the columns of `rows.csv` and with labels; NA where an older table lacks a column.
        verdicts: its findings in the columns `JUDGED`; none where the folder has no such table.
    """

    folder: Path
    rows: pd.DataFrame
    verdicts: pd.DataFrame

    @cached_property
    def inventory(self) -> dict[str, Any] | None:
        """The plan as plain data; None in a folder without it."""
        file = self.folder / INVENTORY
        return read_json(file) if file.exists() else None

    @property
    def name(self) -> str:
        """The name of the benchmark."""
        return str(self.inventory["name"]) if self.inventory else self.folder.resolve().name

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests of its runs by path; none where the results do not lie around the folder."""
        if self.inventory is None:
            return {}
        root = self.folder.resolve().parents[1]
        runs = [path for kind in KINDS for path in self.inventory.get(kind, {})]
        read = {path: read_manifest(root / path / "manifest.json") for path in runs}
        return {path: manifest for path, manifest in read.items() if manifest}


def read_side(folder: Path) -> Side:
    """Read `rows.csv` and, where they are there, `tables/verdicts.csv` and `inventory.json`.

    Raises:
        UserError: the folder is no report, or one of its tables cannot be read.
    """
    file = folder / ROWS
    if not file.exists():
        raise UserError(f"{folder}: no report, as it has no {ROWS}; {_instead(folder)}")
    rows = _read(file, NEEDED, na_values=[""])
    for column, value in BEFORE.items():
        if column not in rows:
            rows[column] = value
    rows = rows.reindex(columns=COLUMNS)
    for column in ("method_parameters", "solver_parameters"):
        rows[column] = rows[column].map(_ordered)
    return Side(folder, with_labels(_of_today(rows)), _of_today(_verdicts(folder / "tables" / VERDICTS)))


def _of_today(table: pd.DataFrame) -> pd.DataFrame:
    """The table with today's names of things that had others before."""
    renamed = {column: things.renamed() for column, things in NAMED.items() if column in table}
    return table.replace(renamed)


def _instead(folder: Path) -> str:
    """What to give instead of a folder that is no report."""
    within = sorted(str(file.parent) for pattern in ("*", "reports/*") for file in folder.glob(f"{pattern}/{ROWS}"))
    if within:
        return f"give one of those within it: {', '.join(within)}"
    return "give the folder of a report, such as results/reports/NAME. `etsdm report CONFIG` writes it."


def _read(file: Path, needed: list[str], **options: Any) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, keep_default_na=False, **options)
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error}); `etsdm report CONFIG` writes it again") from error
    missing = [column for column in needed if column not in table]
    if missing:
        raise UserError(f"{file}: no column {', '.join(missing)}; `etsdm report CONFIG` writes the table again")
    return table


def _ordered(text: Any) -> Any:
    """Settings as JSON, their keys in one order."""
    return json.dumps(json.loads(text), sort_keys=True) if isinstance(text, str) else text


def _verdicts(file: Path) -> pd.DataFrame:
    if not file.exists():
        return pd.DataFrame(columns=JUDGED)
    table = _read(file, JUDGED, dtype=str)
    return table[table["verdict"] != ""][JUDGED]
