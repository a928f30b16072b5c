"""`etsdm redo`."""

from pathlib import Path

import click

from etsdm.commands._options import FILE
from etsdm.commands._record import say
from etsdm.runtime import intact

ORDER = 270


@click.command()
@click.argument("file", type=FILE)
def redo(file: Path) -> None:
    """Make the workflow compute a file again, even a trained network.

    The next workflow command makes it again, with the other files of its stage and everything that depends on it.
    Nothing is computed now, and no damaged file is deleted.

    \b
    Example:  etsdm redo results/models/digits-8px/ddpm-linear-0a1b2c3d/seed0/weights.safetensors
    """
    say(f"{intact.redo(file)}: removed, so that the next workflow command makes {file.name} again")
