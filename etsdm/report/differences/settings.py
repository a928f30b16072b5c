"""Settings that hold throughout an experiment: where two benchmarks differ in one, their cells still match."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from etsdm.report.cells import PROCESS, Key, key
from etsdm.report.options import in_words

THROUGHOUT = {
    ("experiment",): [*PROCESS, "images_seen", "ema_half_life"],
    ("experiment", "method"): ["method_parameters"],
    ("experiment", "solver"): ["solver_parameters"],
}
"""Columns that may differ between the two, and within what each must have one value only."""
NOT_NOTED = "not noted"


@dataclass(frozen=True)
class Setting:
    """A setting of one experiment that differs.

    Attributes:
        where: the experiment; the method or solver follows where it is one of its settings.
        name: the column of the rows.
        first, other: its value in each benchmark, as text.
    """

    where: str
    name: str
    first: str
    other: str


def alike(first: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, list[Setting]]:
    """The rows of `other` with the settings of `first` wherever each has only one, and which of them differ.

    Where one of the two has several values, as under several schedules, they tell cells apart and stay as they are.
    """
    settings = []
    for within, columns in THROUGHOUT.items():
        for column in columns:
            mine, theirs = _only(first, within, column), _only(other, within, column)
            differing = [at for at in mine.keys() & theirs.keys() if mine[at] != theirs[at]]
            for at in sorted(differing):
                here = pd.Series([key(row, within) == at for row in other.to_dict("records")], index=other.index)
                other = other.assign(**{column: other[column].astype(object).mask(here, mine[at])})
                settings.append(Setting(", ".join(at), column, *_texts(column, mine[at], theirs[at])))
    return other, [setting for setting in settings if setting.first != setting.other]


def _only(rows: pd.DataFrame, within: tuple[str, ...], column: str) -> dict[Key, Any]:
    """The value of a column where it has a single one, by what stands in the columns `within`; none for NA there."""
    known: dict[Key, dict[Any, None]] = {}
    for row in rows.drop_duplicates([*within, column]).to_dict("records"):
        known.setdefault(key(row, within), {})[key(row, [column])[0]] = None
    return {at: next(iter(values)) for at, values in known.items() if len(values) == 1 and None not in at}


def _texts(column: str, first: Any, other: Any) -> tuple[str, str]:
    if not column.endswith("_parameters") or first is None or other is None:
        return _text(first), _text(other)
    both = json.loads(first), json.loads(other)
    names = [name for name in {**both[0], **both[1]} if both[0].get(name) != both[1].get(name)]
    before, after = (in_words({name: values.get(name) for name in names}) or NOT_NOTED for values in both)
    return before, after


def _text(value: Any) -> str:
    if value is None:
        return NOT_NOTED
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)
