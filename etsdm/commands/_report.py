"""What the commands of a report share."""

from pathlib import Path

import click

from etsdm.commands._options import FOLDER, INPUT
from etsdm.fingerprint import ROOT

PUBLISHED = ROOT / "etsdm" / "report" / "paper_results.csv"
"""The values of the paper."""
INVENTORY = click.option("--inventory", type=INPUT, required=True, is_eager=True, help="The report's inventory.json.")


def _root(context: click.Context, _: click.Parameter, results: Path | None) -> Path:
    inventory: Path = context.params["inventory"]
    return results or inventory.parents[2]


RESULTS = click.option(
    "--results", type=FOLDER, callback=_root, help="Root of the results.  [default: where the inventory is]"
)


def tidy_tables(report: Path) -> list[Path]:
    """The tables of all measurements, in the folder of a report."""
    return [report / "rows.csv", report / "losses.csv"]
