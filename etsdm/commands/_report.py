"""What the commands of a report share."""

from pathlib import Path

import click

from etsdm.commands._options import INPUT
from etsdm.fingerprint import ROOT

PUBLISHED = ROOT / "config" / "paper_results.csv"
"""The values of the paper."""
INVENTORY = click.option("--inventory", type=INPUT, required=True, help="The report's inventory.json.")


def tidy_tables(report: Path) -> list[Path]:
    """The tables of all measurements, in the folder of a report."""
    return [report / "rows.csv", report / "losses.csv"]
