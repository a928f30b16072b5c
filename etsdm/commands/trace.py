"""`etsdm trace`."""

import sys
from pathlib import Path

import click

from etsdm.commands._options import FILE

ORDER = 260


@click.command()
@click.argument("file", type=FILE)
def trace(file: Path) -> None:
    """Show how a result came to be, back to the images.

    The exit code is 1 if a file of the chain has changed or is missing.

    \b
    Example:  etsdm trace results/samples/digits-8px/ddpm-linear-0a1b2c3d/seed0/.../scores.json
    """
    from etsdm.runtime.trace import trace as run

    lines = list(run(file))
    for line, _ in lines:
        click.echo(line)
    sys.exit(0 if all(holds for _, holds in lines) else 1)
