"""`etsdm excerpt`."""

from pathlib import Path

import click

from etsdm.commands._options import INPUT, out_file
from etsdm.commands._record import code_of, manifest_of, recorded, say

ORDER = 120


@click.command()
@click.option("--images", type=INPUT, required=True, help="Archive of images.")
@click.option("--count", type=click.IntRange(1), required=True, help="Number of images.")
@out_file("Archive to write.")
def excerpt(images: Path, count: int, out: Path) -> None:
    """Keep the first images of an archive, for figures.

    \b
    Example:  etsdm excerpt --images samples.zip --count 12 --out shown.zip
    """
    from etsdm.data.archive import read_images, write_images

    with recorded(manifest_of(out), [images], [out], {"count": count}, code=code_of("excerpt")) as record:
        record["count"] = write_images(out, read_images(images, count))
    say(out)
