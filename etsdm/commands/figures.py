"""`etsdm figures`."""

from pathlib import Path

import click

from etsdm.commands._record import code_of, manifest_of, recorded
from etsdm.commands._report import INVENTORY, PUBLISHED, RESULTS, tidy_tables
from etsdm.runtime.files import read_json

ORDER = 220


@click.command()
@INVENTORY
@RESULTS
def figures(inventory: Path, results: Path) -> None:
    """Draw the figures from rows.csv.

    \b
    Example:  etsdm figures --inventory results/reports/digits/inventory.json
    """
    from etsdm.report.contents import figure_files
    from etsdm.report.figures.write import write_figures

    report = inventory.parent
    outputs = figure_files(report, read_json(inventory))
    with recorded(manifest_of(report / "figures"), tidy_tables(report), outputs, code=code_of("figures"), kept=False):
        write_figures(report, results, PUBLISHED)
