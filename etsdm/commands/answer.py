"""`etsdm answer`."""

from pathlib import Path

import click

ORDER = 245


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here instead of printing.")
def answer(tables: tuple[Path, ...], out: Path | None) -> None:
    """Say in one page what finished benchmarks found.

    TABLES are the files tables/verdicts.csv of their reports.

    \b
    Example:  etsdm answer results/reports/*/tables/verdicts.csv --out answer.md
    """
    from etsdm.report.answer import answer as answer_text
    from etsdm.report.answer import read_verdicts
    from etsdm.runtime.files import write_text

    text = answer_text(read_verdicts([*tables]))
    if out is None:
        click.echo(text)
    else:
        write_text(out, text)
        click.echo(out)
