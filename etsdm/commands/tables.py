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
    from etsdm.report.contents import table_files, tables_code
    from etsdm.report.tables.write import write_tables

    report, plan = inventory.parent, read_json(inventory)
    outputs, code = table_files(report, plan), code_of("tables", *tables_code(plan))
    with recorded(manifest_of(report / "tables"), tidy_tables(report), outputs, code=code, reusable=False):
        write_tables(report, results, PUBLISHED)
