"""`etsdm summary`."""

from pathlib import Path

import click

from etsdm.commands._options import CONFIG, RESULTS
from etsdm.errors import UserError

ORDER = 242


@click.command()
@CONFIG
@RESULTS
def summary(config: Path, results: Path) -> None:
    """Say where a report is, its verdicts and its warnings.

    \b
    Example:  etsdm summary config/digits.yaml
    """
    from etsdm.plan.plan import load_plan
    from etsdm.report.summary import first_lines, warned

    report = results / load_plan(config, look=False).report
    page = report / "report.html"
    if not page.exists():
        raise UserError(f"{page}: there is no report yet; make it with: etsdm report {config}")
    for line in [*first_lines(report), *warned(report)]:
        click.echo(line)
    click.echo(f"Report: {page.resolve()}")
