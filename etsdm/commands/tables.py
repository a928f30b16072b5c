"""`etsdm tables`."""

from pathlib import Path

import click

from etsdm.commands._record import code_of, manifest_of, recorded
from etsdm.commands._report import INVENTORY, PUBLISHED, RESULTS, tidy_tables
from etsdm.runtime.files import read_json

ORDER = 210


@click.command()
@INVENTORY
@RESULTS
def tables(inventory: Path, results: Path) -> None:
    """Write the tables from rows.csv.

    \b
    Example:  etsdm tables --inventory results/reports/digits/inventory.json
    """
    from etsdm.report.contents import table_files
    from etsdm.report.tables.write import write_tables

    report = inventory.parent
    outputs = table_files(report, read_json(inventory))
    with recorded(manifest_of(report / "tables"), tidy_tables(report), outputs, code=code_of("tables"), kept=False):
        write_tables(report, results, PUBLISHED)
