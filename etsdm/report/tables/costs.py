"""The table of costs."""

from typing import Any

import pandas as pd

from etsdm.report.manifests import runs
from etsdm.report.names import method_name
from etsdm.report.results import Results
from etsdm.report.tables.table import Table, build_table, whole
from etsdm.report.text import duration

KEYS = ["stage", "dataset", "resolution", "method", "what", "nfe", "images"]


def cost_table(results: Results, name: str) -> Table:
    """Seconds of one run of each kind, over seeds and all other settings, and on which device."""
    full: list[dict[str, object]] = []
    display: list[dict[str, object]] = []
    for key, group in runs(results).groupby(KEYS, dropna=False, sort=False):
        seconds, memory = group["seconds"], group["memory"].max()
        row: dict[str, Any] = dict(zip(KEYS, key, strict=True))
        cost = {"n": len(group), "seconds_mean": seconds.mean(), "seconds_sd": seconds.std(), "memory_mb": memory}
        device = " ".join(sorted(set(group["device"])))
        full.append(row | cost | {"device": device})
        display.append(
            {
                "Stage": row["stage"],
                "Data": "" if pd.isna(row["dataset"]) else f"{row['dataset']}, {whole(row['resolution'])} px",
                "Method": "" if pd.isna(row["method"]) else method_name(row["method"]),
                "Solver or probe": "" if pd.isna(row["what"]) else row["what"],
                "NFE": whole(row["nfe"]),
                "Images": "" if pd.isna(row["images"]) else f"{row['images']:,.0f}",
                "Runs": len(group),
                "Time": duration(seconds.mean(), seconds.std()),
                "Memory": f"{memory:,.0f} MB",
                "Device": device,
            }
        )
    title = "Cost: time of one run, mean ± sd over seeds, schedules, times and what is predicted; largest memory"
    return build_table(name, title, full, display)
