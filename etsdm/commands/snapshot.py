"""`etsdm snapshot`."""

from pathlib import Path

import click

from etsdm.commands._options import INPUT, out_file
from etsdm.commands._record import code_of, recorded, say
from etsdm.commands._specification import Specification, spec_option

ORDER = 70


@click.command()
@spec_option("snapshot")
@click.option("--training", type=INPUT, required=True, help="manifest.json of the training that wrote the snapshot.")
@out_file("Weights file to write.  [default: weights.safetensors in the folder of --spec]", required=False)
def snapshot(spec: Specification, training: Path, out: Path | None) -> None:
    """Make a model from a snapshot that a training has kept.

    Checks the snapshot against the training's manifest. Nothing is trained.

    \b
    Example:  etsdm snapshot --spec RUN/snapshots/7000-ema5000/spec.json --training RUN/manifest.json
    """
    from etsdm.training.snapshots import Snapshot
    from etsdm.training.take import take_snapshot

    out = out or spec.folder() / "weights.safetensors"
    file = training.with_name(Snapshot(**spec.values["snapshot"]).file)
    with recorded(out.with_name("manifest.json"), [file], [out], spec, code=code_of("snapshot")) as record:
        record.update(take_snapshot(training, file, out))
    say(out)
