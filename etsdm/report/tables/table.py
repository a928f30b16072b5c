"""A table in two forms, and what tables have in common."""

from dataclasses import dataclass

import pandas as pd

from etsdm.report.cells import Cell
from etsdm.report.text import number

CONSTANTS = ("Data", "Schedule", "Time", "Prediction", "Solver", "NFE", "t", "Metric", "Device")
"""Columns that go into the heading where all rows agree."""
UNSAID = ("Training times", "Loss weight", "Images seen", "Half-life")
"""Columns that are left out where all rows agree: the settings of the training hold them."""
OPTIONAL = ("Solver", "NFE", "t", "Noise std", "Offset", "K at", "95 % interval", "Paper", "Note")
"""First words of columns that are left out where they are empty throughout."""


@dataclass(frozen=True)
class Table:
    """A table in two forms.

    Attributes:
        name: name of its files.
        title: what it shows, and what all of its rows have in common.
        full: every value, unrounded.
        display: the same as short text.
        failed: why it could not be built; empty if it was.
    """

    name: str
    title: str
    full: pd.DataFrame
    display: pd.DataFrame
    failed: str = ""


def build_table(name: str, title: str, full: list[dict[str, object]], display: list[dict[str, object]]) -> Table:
    """A table of rows. Columns of the display that hold nothing go; those of one value go or move to the title."""
    shown = without_empty(pd.DataFrame(display))
    shown = shown.drop(columns=[c for c in UNSAID if c in shown and shown[c].nunique() == 1])
    common = [c for c in CONSTANTS if c in shown and len(shown) > 1 and shown[c].nunique() == 1]
    common_words = "; ".join(f"{c if c in ('NFE', 't') else c.lower()} {shown[c].iloc[0]}" for c in common)
    return Table(
        name,
        f"{title} ({common_words})" if common_words else title,
        pd.DataFrame(full),
        shown.drop(columns=common).reset_index(drop=True),
    )


def without_empty(shown: pd.DataFrame) -> pd.DataFrame:
    """A display without the optional columns that hold nothing."""
    empty = [c for c in shown if str(c).startswith(OPTIONAL) and not (shown[c].astype(str) != "").any()]
    return shown.drop(columns=empty)


def setting(cell: Cell) -> dict[str, object]:
    """Columns that say which network a row is about, but for its method."""
    return {
        "Data": f"{cell['dataset']}, {cell['resolution']} px",
        "Schedule": cell["schedule"],
        "Time": cell["time"],
        "Prediction": cell["prediction"],
        "Training times": cell["training_times"],
        "Loss weight": cell["loss_weight"],
        "Images seen": f"{cell['images_seen']:,}",
        "Half-life": f"{cell['ema_half_life']:,}",
    }


def whole(value: float) -> str:
    """A whole number; empty for NA."""
    return "" if pd.isna(value) else f"{value:.0f}"


def values(by_seed: dict[int, float]) -> str:
    """Every value, rounded."""
    return ", ".join(number(value) for value in by_seed.values())


def all_values(cell: Cell) -> dict[str, object]:
    """Columns of a CSV: mean, spread and every value, unrounded."""
    by_seed = cell["by_seed"]
    return {
        "n": cell["n"],
        "mean": cell["mean"],
        "sd": cell["sd"],
        "seeds": " ".join(map(str, by_seed)),
        "values": " ".join(repr(value) for value in by_seed.values()),
    }
