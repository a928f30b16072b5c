"""`etsdm fetch`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etsdm.commands._options import CONFIG, RESULTS
from etsdm.commands._record import code_of, recorded
from etsdm.commands._specification import Specification

if TYPE_CHECKING:
    from etsdm.data.sources import Dataset
    from etsdm.plan.runs import Run

ORDER = 30


@click.command()
@CONFIG
@RESULTS
def fetch(config: Path, results: Path) -> None:
    """Download what a configuration needs from the internet.

    For machines whose jobs have no internet. Other machines download the encoder when a job needs it.

    \b
    Example:  etsdm fetch config/paper.yaml
    """
    from etsdm.plan.plan import load_plan

    planned = load_plan(config, look=False)
    for run in planned.encoders.values():
        if not run.needs:
            _fetch_encoder(run, results)
    for name, dataset in planned.config.datasets.items():
        _fetch_data(name, dataset)


def _fetch_encoder(run: "Run", results: Path) -> None:
    from etsdm.metrics.encoders import ENCODERS

    name, settings = run.spec["name"], ENCODERS.read(run.spec)
    out = results / run.path / settings.file
    spec, code = Specification(run.spec, None), code_of("encoder", ENCODERS.module(name))
    with recorded(out.with_name("manifest.json"), [], [out], spec, code=code) as record:
        record.update(ENCODERS.load(name).make_weights(settings, out))
    click.echo(f"{out}: from {record['source']}, verified; its SHA-256 is {record['sha256']}")


def _fetch_data(name: str, dataset: "Dataset") -> None:
    from etsdm.data.registered import files_of, how_to_get
    from etsdm.runtime.download import download

    files = files_of(dataset)
    for path, file in files.items():
        if path.exists():
            click.echo(f"{path}: there already")
            continue
        download(file.url, path, file.sha256)
        click.echo(f"{path}: from {file.url}, verified by its SHA-256")
    if not files:
        click.echo(f"{name}: {dataset.source}; no download{how_to_get(dataset)}")
