"""The first lines of a finished report, for the end of a run."""

import csv
from pathlib import Path

from etsdm.report.tables.verdicts import LIMIT

WARNING = "etsdm: warning"


def first_lines(report: Path) -> list[str]:
    """The verdict on each experiment's primary claim, or on its first one if none is primary; none without a table.

    Args:
        report: folder of the report.
    """
    rows = _findings(report / "tables" / "verdicts.csv")
    by_experiment: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_experiment.setdefault(row["experiment"], []).append(row)
    first = [next((row for row in mine if row["role"] == "primary"), mine[0]) for mine in by_experiment.values()]
    width = max((len(row["verdict"]) for row in first), default=0)
    return [f"{row['verdict']:<{width}}  {_claim(row)} ({row['experiment']})" for row in first]


def warned(report: Path) -> list[str]:
    """What the page of a report warned of when a workflow made it."""
    log = report / "page.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line for line in lines if line.startswith(WARNING)]


def _findings(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["kind"] != LIMIT]


def _claim(row: dict[str, str]) -> str:
    return f"{row['short']}?" if row["kind"] == "question" else row["short"]
