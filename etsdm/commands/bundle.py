"""`etsdm bundle`."""

from pathlib import Path

import click

from etsdm.commands._options import CONFIG, RESULTS
from etsdm.commands._record import say

ORDER = 247
KINDS = ("data", "weights", "samples", "features")


@click.command()
@CONFIG
@RESULTS
@click.option("--include", multiple=True, type=click.Choice(KINDS), help="Pack these, too; give it once for each.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write. [default: NAME.zip]")
def bundle(config: Path, results: Path, include: tuple[str, ...], out: Path | None) -> None:
    """Pack a finished benchmark into one file for others.

    It holds the report, its rows, tables and figures, scores, probes, the summaries of the references, every manifest,
    the configuration, a digest of each file, and the licences of the data. `etsdm adopt --bundle` reads it.

    \b
    Example:  etsdm bundle config/digits.yaml
              etsdm bundle config/digits.yaml --include weights --out digits.zip
    """
    from tqdm import tqdm

    from etsdm.plan.bundle import pack
    from etsdm.plan.plan import load_plan

    planned = load_plan(config, look=False)
    file = out or Path(f"{planned.config.name}.zip")
    with tqdm(desc="pack", unit="B", unit_scale=True) as bar:
        count = pack(planned, results, [*include], file, bar.update)
    say(f"{file}: {count:,} files of results, {file.stat().st_size / 1e6:,.1f} MB")
