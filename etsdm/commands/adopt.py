"""`etsdm adopt`."""

import sys
from pathlib import Path

import click

from etsdm.commands._options import CONFIG
from etsdm.commands._record import say

ORDER = 250


@click.command(context_settings={"ignore_unknown_options": True})
@CONFIG
@click.option("--any-code", is_flag=True, help="Also results of other code, if you know that the numbers are equal.")
@click.option("--bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="First unpack this file.")
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be taken over, and what would not.")
@click.argument("snakemake", nargs=-1)
def adopt(config: Path, any_code: bool, bundle: Path | None, dry_run: bool, snakemake: tuple[str, ...]) -> None:
    """Take over results that Snakemake would make again.

    For results that were copied without their times, that belong to a new clone, that come from a machine with another
    clock, or from a file that `etsdm bundle` has packed. Each is checked against its manifest: its files, its inputs,
    its settings and its code. Further arguments go to Snakemake.

    \b
    Example:  etsdm adopt config/digits.yaml
              etsdm adopt config/digits.yaml --bundle digits.zip
    """
    from tqdm import tqdm

    from etsdm.errors import UserError
    from etsdm.plan import adopt as run
    from etsdm.plan.bundle import unpack
    from etsdm.plan.plan import RESULTS, load_plan

    if bundle and dry_run:
        raise UserError("--bundle unpacks files, and --dry-run only looks; give one of the two")
    if bundle:
        with tqdm(desc="unpack", unit="B", unit_scale=True) as bar:
            say(f"{bundle}: {unpack(bundle, RESULTS, bar.update):,} files are new")
    planned = load_plan(config, look=False)
    with tqdm(desc="check", unit="B", unit_scale=True) as bar:
        verdict = run.judge(planned, RESULTS, any_code, bar.update)
    for file, reason in verdict.refused.items():
        click.echo(f"{file}: {reason}", err=True)
    if verdict.adopted and not dry_run:
        run.adopt(verdict, planned, RESULTS, config, [*snakemake])
    say(f"{len(verdict.adopted):,} results {'would be' if dry_run else 'are'} taken over, {len(verdict.refused):,} not")
    sys.exit(1 if verdict.refused else 0)
