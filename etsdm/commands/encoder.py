"""`etsdm encoder`."""

from pathlib import Path
from typing import Any

import click

from etsdm.commands._options import DEVICE, INPUT, out_file
from etsdm.commands._record import code_of, recorded, say, time_limit
from etsdm.commands._specification import Specification, spec_option
from etsdm.errors import UserError

ORDER = 50


@click.command()
@spec_option("encoder")
@click.option("--data", type=INPUT, help="The data set's images.zip (classifier only).")
@out_file("Weights file to write.")
@DEVICE
def encoder(spec: Specification, data: Path | None, out: Path, device: str) -> None:
    """Train the classifier, or find the Inception weights.

    Both turn images into the features that distances compare. The Inception weights are verified by their SHA-256.

    \b
    Example:  etsdm encoder --spec results/encoders/inception/spec.json --out inception-2015-12-05.pt
    """
    values, inputs = spec.values, [data, data.with_name("dataset.json")] if data else []
    code = code_of("inception" if values["name"] == "inception" else "encoder")
    with recorded(out.with_name("manifest.json"), inputs, [out], spec, device, code=code) as record:
        record.update(_provide(values, data, out, device))
    say(out)


def _provide(values: dict[str, Any], data: Path | None, out: Path, device: str) -> dict[str, Any]:
    if values["name"] == "inception":
        from etsdm.metrics.inception import provide_inception

        return provide_inception(values["weights"], out)
    if data is None:
        raise UserError("encoder: the classifier is trained on a data set; give its images.zip with --data")
    from etsdm.metrics.classifier import train_classifier
    from etsdm.runtime.devices import pick_device

    return train_classifier(values, data, data.with_name("dataset.json"), out, pick_device(device, time_limit()))
