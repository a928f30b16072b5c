"""`etsdm check`."""

from pathlib import Path

import click

from etsdm.commands._options import CONFIG
from etsdm.commands._record import say
from etsdm.errors import UserError

ORDER = 10


@click.command()
@CONFIG
@click.option("--all", "every", is_flag=True, help="Open every image, not only 64 of each data set.")
@click.option("--no-data", is_flag=True, help="Check only the configuration. Its data need not exist.")
@click.option("--outdated", is_flag=True, help="Only list what must be prepared again because its source has changed.")
@click.option("--show", is_flag=True, help="Only print the resolved configuration: bases, presets, defaults filled in.")
def check(config: Path, every: bool, no_data: bool, outdated: bool, show: bool) -> None:
    """Check a configuration and its data sources; run nothing.

    Opens 64 images of each data set of your own: spread over a folder, else the first ones. Prints how many images
    there are, their sizes and classes, and which files are skipped.

    \b
    Example:  etsdm check config/digits.yaml
    """
    from etsdm.data.look import look
    from etsdm.data.prepared import OUTPUTS, is_gone, is_outdated
    from etsdm.plan.plan import RESULTS, load_plan
    from etsdm.plan.reading import as_yaml

    planned = load_plan(config, look=not (no_data or outdated or show))
    if show:
        click.echo(as_yaml(planned.config), nl=False)
        return
    if outdated:
        folders = {RESULTS / run.path: run.spec for run in planned.data.values()}
        again = [folder for folder, spec in folders.items() if is_outdated(folder, spec)]
        say(*(folder / name for folder in again for name in OUTPUTS))  # Snakemake must miss each that is lost
        return
    if no_data:
        return
    for name, dataset in planned.config.datasets.items():
        say(*(f"{name}: {remark}" for remark in planned.overviews[name].remarks))
        if dataset.source == "bundled" or is_gone(dataset.model_dump()):
            continue
        try:
            say(*look(name, dataset.model_dump(), None if every else 64))
        except UserError as error:
            raise UserError("\n".join(f"{config}: {line}" for line in str(error).splitlines())) from error
    say(f"{config}: fine; its data are there, too")
