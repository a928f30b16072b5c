"""`etsdm figure`."""

from pathlib import Path

import click

from etsdm.commands._record import code_of, recorded
from etsdm.commands._report import INVENTORY, PUBLISHED, RESULTS, tidy_tables
from etsdm.runtime.files import read_json

ORDER = 220


@click.command()
@INVENTORY
@click.option("--name", "names", multiple=True, help="Figure to draw; may be given again.  [default: all]")
@RESULTS
def figure(inventory: Path, names: tuple[str, ...], results: Path) -> None:
    """Draw figures from rows.csv.

    A figure that cannot be drawn is a picture that says so, and its manifest has the reason.

    \b
    Example:  etsdm figure --inventory results/reports/digits/inventory.json --name lipschitz
    """
    from etsdm.report.contents import figure as figure_of
    from etsdm.report.contents import figure_code, figure_names, files_of, note_of
    from etsdm.report.figures.write import write_figure
    from etsdm.report.plates import caption_of
    from etsdm.report.results import load

    report, plan, loaded = inventory.parent, read_json(inventory), None
    for name in names or figure_names(plan):
        code = code_of("figure", *figure_code(plan, name))
        with recorded(
            note_of(report, name), tidy_tables(report), files_of(report, name), code=code, reusable=False
        ) as record:
            loaded = loaded or load(report, results, PUBLISHED)
            record["caption"] = " ".join(caption_of(loaded, figure_of(plan, name)[1]))
            if reason := write_figure(loaded, name, report / "figures"):
                record["failed"] = reason
                click.echo(f"etsdm: warning: figure {name} could not be drawn: {reason}", err=True)
