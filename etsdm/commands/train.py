"""`etsdm train`."""

from pathlib import Path
from typing import Any

import click

from etsdm.commands._options import COMPILE, DATA, DEVICE, flag, out_folder, shared
from etsdm.commands._record import code_of, job, recorded, say
from etsdm.commands._specification import Specification, spec_option

ORDER = 60


@click.command()
@spec_option("model")
@DATA
@out_folder("Folder for the weights.  [default: that of --spec]", required=False)
@click.option(
    "--save-minutes",
    type=click.FloatRange(0),
    default=5,
    show_default=True,
    help="Minutes between saved states. A training that is killed loses at most this much.",
)
@click.option("--micro-batch", type=click.IntRange(1), help="Images at a time on a device.  [default: what fits]")
@flag("--checkpointing", "checkpointing", "Use less memory and more time. This changes no result.")
@COMPILE
@DEVICE
@shared
def train(
    spec: Specification,
    data: Path,
    out: Path | None,
    device: str,
    **options: Any,
) -> None:
    """Train a network, or continue a training.

    Ctrl-C saves the state. The same command then continues, and gives the same weights as without the break.

    \b
    Example:  etsdm train --spec RUN/spec.json --data results/data/digits-8px-0a1b2c3d/images.zip
    """
    from etsdm.data.sources import expanded
    from etsdm.diffusion.make import modules_behind
    from etsdm.models.spec import ModelSpec
    from etsdm.training.snapshots import intermediate
    from etsdm.training.train import train as run

    settings, out = spec.read_as(ModelSpec), out or spec.folder()
    code = code_of("train", *modules_behind(spec.values))
    snapshots = [out / snapshot.file for snapshot in intermediate(settings.training)]
    outputs = [out / "weights.safetensors", out / "metrics.jsonl", *snapshots]
    initial = settings.training.initial
    inputs = [data, Path(expanded(initial.weights))] if initial else [data]
    with recorded(out / "manifest.json", inputs, outputs, spec, device, out / "state", code=code) as record:
        record.update(run(settings, data, out, device, fingerprint=code, minutes=job()["minutes"], **options))
    say(outputs[0])
