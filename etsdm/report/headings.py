"""What tells one panel, or one network, from others, in words."""

from typing import Any

import pandas as pd

WORDS = {"resolution": "{:.0f} px", "time": "{} time", "prediction": "predicts {}", "nfe": "{:.0f} NFE"}
WORDS |= {"training_times": "times {}", "loss_weight": "weight {}"}
WORDS |= {"images_seen": "{:,.0f} images seen", "ema_half_life": "half-life {:,.0f}"}


def heading(columns: list[str], key: tuple[Any, ...], frame: pd.DataFrame) -> str:
    """A panel's title: the data set, and whatever differs between panels."""
    words = []
    for column, value in zip(columns, key, strict=True):
        if not pd.isna(value) and (column in ("dataset", "resolution") or frame[column].nunique() > 1):
            words.append(WORDS.get(column, "{}").format(value))
    return ", ".join(words)
