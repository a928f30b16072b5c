"""`etsdm reference`."""

from pathlib import Path

import click

from etsdm.commands._options import DISTANCE, ENCODER, INPUT, out_file
from etsdm.commands._record import code_of, manifest_of, recorded, say

ORDER = 130


@click.command()
@click.option("--features", type=INPUT, required=True, help="Features of the data set, by `etsdm features`.")
@ENCODER
@DISTANCE
@out_file("reference.npz to write.")
def reference(features: Path, encoder: str, distance: tuple[str, ...], out: Path) -> None:
    """Summarise a reference: what every score needs of it, once.

    The summary holds what the distances need of it, such as the mean, the root of the covariance, and the kernel within
    the reference. The kernel takes time quadratic in the number of images.

    \b
    Example:  etsdm reference --features data/features.npz --encoder inception --out data/reference.npz
    """
    from etsdm.metrics.score import modules, summarise

    spec, code = {"encoder": encoder, "distances": [*distance]}, code_of("score", *modules(encoder, [*distance]))
    with recorded(manifest_of(out), [features], [out], spec, code=code) as record:
        record.update(summarise(features, [*distance], encoder, out))
    say(out)
