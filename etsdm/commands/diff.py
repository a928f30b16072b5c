"""`etsdm diff`."""

from pathlib import Path

import click

from etsdm.commands._options import FILE, flag

ORDER = 246
REPORT = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("first", metavar="A", type=REPORT)
@click.argument("other", metavar="B", type=REPORT)
@click.option("--out", type=FILE, help="Page to write, with every cell and a figure.")
@flag("--exit-code", "exit_code", "Leave with exit code 1 if something differs beyond noise.")
@click.pass_context
def diff(context: click.Context, first: Path, other: Path, out: Path | None, exit_code: bool) -> None:
    """Say what differs beyond noise between two finished benchmarks.

    A and B are folders of reports, results/reports/NAME, or published ones with rows.csv: of two revisions, machines or
    configurations. Cells are matched by what they measure, and their values are compared seed by seed.

    \b
    Example:  etsdm diff before/results/reports/digits results/reports/digits --out diff.html
    """
    from etsdm.report.differences.difference import difference, headline, state
    from etsdm.report.differences.side import read_side
    from etsdm.report.differences.text import text

    compared = difference(read_side(first), read_side(other))
    if out is None:
        click.echo(text(compared))
    else:
        from etsdm.report.differences.page import write_page

        write_page(compared, out)
        click.echo(headline(compared))
        click.echo(out)
    if exit_code and state(compared) == "differs":
        context.exit(1)
