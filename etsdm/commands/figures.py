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
    from etsdm.report.contents import figure_files, figures_code
    from etsdm.report.figures.write import write_figures

    report, plan = inventory.parent, read_json(inventory)
    outputs, code = figure_files(report, plan), code_of("figures", *figures_code(plan))
    with recorded(manifest_of(report / "figures"), tidy_tables(report), outputs, code=code, kept=False):
        write_figures(report, results, PUBLISHED)
