"""`etsdm features`."""

from pathlib import Path

import click

from etsdm.commands._options import DEVICE, ENCODER, INPUT, out_file, shared
from etsdm.commands._record import code_of, job, manifest_of, recorded, say
from etsdm.runtime import finished, intact, launch

ORDER = 110


@click.command()
@ENCODER
@click.option("--weights", type=INPUT, required=True, help="The encoder's weights, written by `etsdm encoder`.")
@click.option("--images", type=INPUT, required=True, help="Archive of images: samples.zip, or a data set's images.zip.")
@click.option("--count", type=click.IntRange(1), help="Use exactly this many images, the first ones.  [default: all]")
@out_file("features.npz to write.")
@DEVICE
@shared
def features(encoder: str, weights: Path, images: Path, count: int | None, out: Path, device: str) -> None:
    """Extract the features of an image archive, for every metric.

    \b
    Example:  etsdm features --encoder inception --weights inception-2015-12-05.pt \\
                --images samples.zip --out features.npz
    """
    from etsdm.metrics.encoders import ENCODERS
    from etsdm.metrics.features import extract_features
    from etsdm.runtime.parts import folder_of

    code = code_of("features", ENCODERS.module(encoder))
    spec = {"encoder": encoder, "count": count}
    with recorded(manifest_of(out), [weights, images], [out], spec, device, folder_of(out), code=code) as record:
        record.update(
            extract_features(encoder, weights, images, out, count, device, fingerprint=code, minutes=job()["minutes"])
        )
    of_images = intact.read_manifest(images.with_name("manifest.json"))
    if launch.is_first() and of_images and of_images["inputs"]:  # drawn, not prepared: no later job restores them
        finished.forget(images.with_name("manifest.json"))
    say(out)
