"""`etsdm page`."""

from pathlib import Path

import click

from etsdm.commands._record import code_of, manifest_of, recorded
from etsdm.commands._report import INVENTORY, PUBLISHED, RESULTS, tidy_tables
from etsdm.runtime.files import read_json

ORDER = 230


@click.command()
@INVENTORY
@RESULTS
def page(inventory: Path, results: Path) -> None:
    """Write report.html from the tables and figures.

    \b
    Example:  etsdm page --inventory results/reports/digits/inventory.json
    """
    from etsdm.report.contents import figure_files, page_code, table_files
    from etsdm.report.page import write_page

    report, plan = inventory.parent, read_json(inventory)
    inputs = [*tidy_tables(report), *table_files(report, plan), *figure_files(report, plan)]
    outputs, code = [report / "report.html"], code_of("page", *page_code())
    with recorded(manifest_of(report / "report"), inputs, outputs, code=code, reusable=False):
        warnings = write_page(report, results, PUBLISHED)
    for warning in warnings:
        click.echo(f"etsdm: warning: {warning}", err=True)
