"""`etsdm restore`."""

from pathlib import Path

import click

from etsdm.commands._options import BATCH, DEVICE, INPUT, out_folder, shared
from etsdm.commands._record import job, recorded, sampling_code, say
from etsdm.commands._specification import Specification, spec_option

ORDER = 150


@click.command()
@click.option("--weights", type=INPUT, required=True, help="weights.safetensors of a model for super-resolution.")
@click.option("--images", type=INPUT, required=True, help="Archive of true images. Their resolution is lowered first.")
@spec_option("restoration")
@BATCH
@out_folder("Folder for inputs.zip and restored.zip.")
@DEVICE
@shared
def restore(weights: Path, images: Path, spec: Specification, batch: int | None, out: Path, device: str) -> None:
    """Restore low-resolution images by a conditional network.

    \b
    Example:  etsdm restore --weights RUN/weights.safetensors --images test.zip \\
                --spec results/restorations/.../spec.json --out restored
    """
    from etsdm.runtime.parts import folder_of
    from etsdm.sampling.restore import restore as run
    from etsdm.sampling.spec import RestorationSpec

    values, outputs = spec.values, [out / "inputs.zip", out / "restored.zip"]
    parts = folder_of(out / "restored.zip")
    code = sampling_code("restore", values)
    with recorded(out / "manifest.json", [weights, images], outputs, spec, device, parts, code=code) as record:
        settings = spec.read_as(RestorationSpec)
        record.update(run(weights, images, settings, out, device, batch, fingerprint=code, minutes=job()["minutes"]))
    say(*outputs)
