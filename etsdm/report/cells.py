"""Rows grouped into cells: one cell is a measurement repeated over seeds."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from etsdm.files import read_json

Cell: TypeAlias = pd.Series
"""A row of `cells`."""

SETTING = ["experiment", "dataset", "resolution", "time", "schedule"]
METHOD = ["method", "method_parameters", "method_label"]
SOLVER = ["solver", "solver_parameters", "solver_label", "nfe"]
COMPARED = [*SETTING, *SOLVER, "metric", "t_prime", "t"]
"""What two cells must share for their methods to be compared."""
CELL = [*COMPARED, *METHOD]
BASELINE = "ddpm"


@dataclass(frozen=True)
class Results:
    """All a report is made from.

    Attributes:
        inventory: the plan as plain data.
        rows: the tidy table of measurements, with `method_label` and `solver_label` added.
        losses: the training curves.
    """

    inventory: dict[str, Any]
    rows: pd.DataFrame
    losses: pd.DataFrame

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self.inventory["config"]

    @property
    def seeds(self) -> list[int]:
        """Seeds asked for."""
        return self.config["seeds"]

    def experiment(self, name: str) -> pd.DataFrame:
        """Rows of one experiment."""
        return self.rows[self.rows["experiment"] == name]

    @property
    def failures(self) -> pd.DataFrame:
        """Rows without a value, one for each file that is missing."""
        failed = self.rows[self.rows["value"].isna()]
        return failed.drop_duplicates(["experiment", "file"])


def load(report: Path) -> Results:
    """Read `inventory.json`, `rows.csv` and `losses.csv` from the report's folder."""
    rows = pd.read_csv(report / "rows.csv", keep_default_na=False, na_values=[""])
    rows["method_label"] = labels(rows["method"], rows["method_parameters"])
    rows["solver_label"] = labels(rows["solver"], rows["solver_parameters"])
    try:
        losses = pd.read_csv(report / "losses.csv")
    except pd.errors.EmptyDataError:
        losses = pd.DataFrame()
    return Results(read_json(report / "inventory.json"), rows, losses)


def labels(names: pd.Series, parameters: pd.Series) -> list[str | None]:
    """Short names: the name alone, followed by those of its settings that tell it from others of that name.

    Args:
        names: names, NA where there is none.
        parameters: settings as JSON objects.
    """
    known: dict[str, dict[str, dict[str, Any]]] = {}
    for name, text in set(zip(names, parameters, strict=True)):
        if isinstance(name, str):
            known.setdefault(name, {})[text] = json.loads(text)
    found: dict[tuple[str, str], str] = {}
    for name, by_text in known.items():
        for text, settings in by_text.items():
            telling = [key for key in settings if len({json.dumps(s.get(key)) for s in by_text.values()}) > 1]
            words = ", ".join(f"{key} {settings[key]}" for key in telling)
            found[name, text] = f"{name} ({words})" if words else name
    return [found.get((name, text)) for name, text in zip(names, parameters, strict=True)]


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell, in the order of `rows` but with the methods to compare next to one another.

    Returns:
        The columns `CELL` and: by_seed ({seed: value}, without NA), n (values), mean, sd (NA below two
        values), seconds (mean), reason (of the values that are missing).
    """
    made = []
    for key, group in rows.groupby(CELL, dropna=False, sort=False):
        good = group.dropna(subset=["value"])
        made.append(
            dict(zip(CELL, key, strict=True))
            | {
                "by_seed": dict(zip(good["seed"].astype(int), good["value"].astype(float), strict=True)),
                "n": len(good),
                "mean": good["value"].mean(),
                "sd": good["value"].std(),
                "seconds": good["seconds"].mean(),
                "reason": _reasons(group[group["value"].isna()]),
            }
        )
    table = pd.DataFrame(made, columns=[*CELL, "by_seed", "n", "mean", "sd", "seconds", "reason"])
    compared = table.groupby(COMPARED, dropna=False, sort=False).ngroup()
    return table.iloc[compared.argsort(kind="stable")].reset_index(drop=True)


def _reasons(failed: pd.DataFrame) -> str:
    by_reason: dict[str, list[int]] = {}
    for seed, reason in zip(failed["seed"], failed["reason"], strict=True):
        by_reason.setdefault(str(reason), []).append(int(seed))
    return "; ".join(f"seed {listed(seeds)}: {reason}" for reason, seeds in by_reason.items())


def same(frame: pd.DataFrame, row: Cell, columns: Sequence[str]) -> pd.DataFrame:
    """Rows of `frame` that agree with `row` in `columns`; NA agrees with NA."""
    for column in columns:
        value = row[column]
        frame = frame[frame[column].isna() if pd.isna(value) else frame[column] == value]
    return frame


def baseline(table: pd.DataFrame, cell: Cell) -> Cell | None:
    """The ddpm cell of `table` that differs from `cell` in the method alone; None for ddpm itself."""
    if cell["method"] == BASELINE:
        return None
    found = same(table[table["method"] == BASELINE], cell, COMPARED)
    return found.iloc[0] if len(found) else None


def is_frechet(metric: str) -> bool:
    """Whether a metric is a Frechet distance, as the paper's FID is."""
    return metric.startswith(("fid-", "fd-"))


# ---------------------------------------------------------------- numbers as text

MINUS = "−"


def _decimals(value: float, significant: int) -> int:
    return 0 if value == 0 else max(0, significant - 1 - math.floor(math.log10(abs(value))))


def _exponent(value: float) -> int:
    """The power of ten to write a small value with; 0 for one that reads well as it is."""
    return math.floor(math.log10(abs(value))) if 0 < abs(value) < 1e-3 else 0


def number(value: float, significant: int = 3) -> str:
    """A value with `significant` digits or all those before the point, `NA` if there is none."""
    if pd.isna(value):
        return "NA"
    power = _exponent(value)
    scaled = value / 10**power
    return f"{scaled:.{_decimals(scaled, significant)}f}{f'e{power}' if power else ''}".replace("-", MINUS)


def mean_sd(mean: float, sd: float) -> str:
    """`mean ± sd` to the same decimals: two digits of the deviation, within three to four of the mean."""
    if pd.isna(mean) or pd.isna(sd) or mean == 0:
        return number(mean)
    power = _exponent(mean)
    mean, sd = mean / 10**power, sd / 10**power
    decimals = min(max(_decimals(sd, 2), _decimals(mean, 3)), _decimals(mean, 4))
    text = f"{mean:.{decimals}f} ± {sd:.{decimals}f}"
    return (f"({text})e{power}" if power else text).replace("-", MINUS)


def percent(value: float, sd: float | None = None) -> str:
    """A signed change in per cent, with its spread if there is one."""
    if pd.isna(value):
        return "–"
    spread = "" if sd is None or pd.isna(sd) else f" ± {sd:.1f}"
    return f"{value:+.1f}{spread} %".replace("-", MINUS)


def listed(words: Sequence[Any]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    texts = [str(word) for word in words]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def duration(seconds: float, sd: float = float("nan")) -> str:
    """Seconds as text a person reads, with their spread in the same unit if there is one."""
    if pd.isna(seconds):
        return "NA"
    unit, length = ("h", 3600) if seconds >= 5400 else ("min", 60) if seconds >= 90 else ("s", 1)
    decimals = 0 if seconds / length >= 100 else 1
    spread = "" if pd.isna(sd) else f" ± {sd / length:.{decimals}f}"
    return f"{seconds / length:.{decimals}f}{spread} {unit}"
