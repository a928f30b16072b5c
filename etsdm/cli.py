"""The command line: the group of all commands, the options of every job, and errors as messages."""

import os
import sys
from typing import Any

import click

from etsdm import commands, fingerprint
from etsdm.errors import AlreadyMade, Interrupted, UserError


class _Commands(click.Group):
    """The commands of the folder `commands`. An error that the user can fix is one message and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names in order."""
        return commands.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The named command, of which alone the file is imported."""
        command = commands.load(cmd_name)
        if command is None:  # click then looks for the nearest name among `commands`
            self.commands = {name: known for name in commands.names() if (known := commands.load(name))}
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see `etsdm.errors` for the exit codes."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            for line in str(error).splitlines():
                click.echo(f"etsdm: error: {line}", err=True)
            sys.exit(2)
        except PermissionError as error:
            click.echo(f"etsdm: error: {error.filename or 'a file'}: {error.strerror}", err=True)
            sys.exit(2)
        except AlreadyMade as made:
            click.echo(f"etsdm: {made}", err=True)
        except Interrupted as interruption:
            click.echo(f"etsdm: {interruption}", err=True)
            sys.exit(os.EX_TEMPFAIL)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="etsdm")
@click.option(
    "--attempt",
    type=click.IntRange(1),
    default=1,
    help="Number of this attempt in a workflow. After a failure that would happen again, it fails at once.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=0,
    help="Time limit of the job. Before it, long work saves its state and leaves with exit code 75. 0: no limit.",
)
@click.option("--code", help="Code that the workflow was planned with, as it notes it. Any other is refused.")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    help="Python file with a solver, method or metric of your own; may be given several times.",
)
def main(attempt: int, minutes: float, code: str | None, plugins: tuple[str, ...]) -> None:
    """Lipschitz singularities in diffusion models: the E-TSDM benchmark, stage by stage.

    \b
    The whole benchmark:   make demo
    What a benchmark does: etsdm plan config/digits.yaml
    A network's images:    etsdm sample --weights RUN/weights.safetensors --out grid.png
    Its Lipschitz curve:   etsdm probe --weights RUN/weights.safetensors --data DATA/images.zip --out k.json

    RUN and DATA are folders that the workflow has written, such as results/models/.../seed0 and results/data/digits-...
    The help of each command has an example.
    """
    if plugins:
        from etsdm.config import plugins as files  # slow to import

        files.load([*plugins])
    if code:
        fingerprint.check(code)
