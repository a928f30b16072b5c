"""`etsdm schema`."""

from pathlib import Path

import click

from etsdm.commands._options import FOLDER
from etsdm.commands._record import say

ORDER = 280


@click.command()
@click.option("--out", type=FOLDER, default=Path("config"), show_default=True, help="Folder of schema.json, README.md.")
def schema(out: Path) -> None:
    """Write the schema and the reference of configurations.

    Writes config/schema.json and the list of keys in config/README.md. Both are made from the typed models.

    \b
    Example:  etsdm schema
    """
    from etsdm.plan.reference import write_reference

    write_reference(out)
    say(out / "schema.json", out / "README.md")
