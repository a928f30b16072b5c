"""`etsdm report`."""

from pathlib import Path

import click

from etsdm.commands._options import CONFIG, RESULTS
from etsdm.runtime.files import write_json

ORDER = 240


@click.command()
@CONFIG
@RESULTS
@click.pass_context
def report(context: click.Context, config: Path, results: Path) -> None:
    """Build the report from the results that exist.

    A missing value shows as NA, with the reason.

    \b
    Example:  etsdm report config/digits.yaml
    """
    from etsdm.commands.figure import figure
    from etsdm.commands.page import page
    from etsdm.commands.rows import rows
    from etsdm.commands.tables import tables
    from etsdm.plan.plan import load_plan
    from etsdm.report.summary import first_lines

    planned = load_plan(config, look=False)
    inventory = results / planned.report / "inventory.json"
    write_json(inventory, planned.inventory())
    for stage, options in ((rows, {}), (tables, {}), (figure, {"names": ()}), (page, {})):
        context.invoke(stage, inventory=inventory, results=results, **options)
    for line in first_lines(results / planned.report):
        click.echo(line)
    click.echo(f"{results / planned.report / 'report.html'}")
