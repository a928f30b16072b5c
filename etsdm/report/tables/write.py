"""Tables as files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from etsdm.report.broken import why_broken
from etsdm.report.results import Results, load
from etsdm.report.sections import sections_of
from etsdm.report.tables.latex import latex
from etsdm.report.tables.table import Table
from etsdm.runtime.files import atomic, write_text

NUMERIC = (
    "NFE",
    "n",
    "p",
    "t",
    "K",
    "Mean",
    "Paper",
    "Change",
    "95",
    "Time",
    "Runs",
    "Images",
    "Half-life",
    "Error",
    "Bound",
    "Order",
)


def build_tables(results: Results) -> Iterator[Table]:
    """The tables that `contents.table_names` lists."""
    for section in sections_of(results.inventory):
        if section.table:
            yield _built(results, section.name, section.table)


def _built(results: Results, name: str, build: Callable[[Results], Table]) -> Table:
    """A table; one with the reason alone where it could not be built."""
    try:
        return build(results)
    except Exception as error:  # whatever it is, the page and the other tables are made
        reason = why_broken(error)
    full, display = {"value": None, "reason": reason}, {"Value": "NA", "Note": reason}
    return Table(name, f"{name}: this table could not be built", pd.DataFrame([full]), pd.DataFrame([display]), reason)


def _markdown(table: Table) -> str:
    sides = ["right" if str(column).startswith(NUMERIC) else "left" for column in table.display]
    body = table.display.to_markdown(index=False, colalign=sides, disable_numparse=True)
    return f"{table.title}.\n\n{body}\n"


def write_table(table: Table, folder: Path) -> None:
    """Write `<name>.csv`, `.md` and `.tex`."""
    with atomic(folder / f"{table.name}.csv") as temporary:
        table.full.to_csv(temporary, index=False)
    write_text(folder / f"{table.name}.md", _markdown(table))
    write_text(folder / f"{table.name}.tex", latex(table))


def write_tables(report: Path, results: Path, published: Path | None) -> None:
    """Write the report's tables into `report/tables`.

    Args:
        report: folder with `inventory.json`, `rows.csv` and `losses.csv`.
        results: root of the results, for manifests and the theory.
        published: CSV of the paper's results, or None.
    """
    for table in build_tables(load(report, results, published)):
        write_table(table, report / "tables")
