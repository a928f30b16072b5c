"""`etsdm rows`."""

from pathlib import Path

import click

from etsdm.commands._record import code_of, manifest_of, recorded
from etsdm.commands._report import INVENTORY, RESULTS, tidy_tables
from etsdm.runtime import intact
from etsdm.runtime.files import read_json

ORDER = 200


@click.command()
@INVENTORY
@RESULTS
def rows(inventory: Path, results: Path) -> None:
    """Gather every measurement into rows.csv.

    \b
    Example:  etsdm rows --inventory results/reports/digits/inventory.json
    """
    from etsdm.report.contents import rows_code
    from etsdm.report.rows import write_rows

    plan, report = read_json(inventory), inventory.parent
    files = [results / measurement["file"] for measurement in plan["measurements"]]
    whole = [file for file in files if intact.is_whole(file)]  # a damaged file is set aside, and its value is NA
    for model in plan["models"]:
        intact.is_whole(results / model / "metrics.jsonl")
    with recorded(
        manifest_of(report / "rows"), whole, tidy_tables(report), code=code_of("rows", *rows_code()), reusable=False
    ):
        write_rows(plan, results, report)
