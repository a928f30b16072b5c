"""`etsdm encoder`."""

from pathlib import Path

import click

from etsdm.commands._options import DEVICE, INPUT, out_file
from etsdm.commands._record import code_of, recorded, say, time_limit
from etsdm.commands._specification import Specification, spec_option
from etsdm.errors import UserError

ORDER = 50


@click.command()
@spec_option("encoder")
@click.option("--data", type=INPUT, help="The data set's images.zip, for an encoder that needs labels.")
@out_file("Weights file to write.")
@DEVICE
def encoder(spec: Specification, data: Path | None, out: Path, device: str) -> None:
    """Train an encoder on a data set's labels, or get its weights.

    It turns images into the features that distances compare. Weights that are not trained are verified.

    \b
    Example:  etsdm encoder --spec results/encoders/inception/spec.json --out inception-2015-12-05.pt
    """
    from etsdm.metrics.encoders import ENCODERS

    settings, inputs, where = ENCODERS.read(spec.values), [data, data.with_name("dataset.json")] if data else [], None
    code = code_of("encoder", ENCODERS.module(settings.name))
    with recorded(out.with_name("manifest.json"), inputs, [out], spec, device, code=code) as record:
        if settings.needs_labels and data is None:
            raise UserError(f"encoder: {settings.name} is trained on a data set; give its images.zip with --data")
        if settings.needs_labels:
            from etsdm.runtime.devices import pick_device  # slow to import

            where = pick_device(device, time_limit())
        record.update(ENCODERS.load(settings.name).make_weights(settings, out, data, where))
    say(out)
