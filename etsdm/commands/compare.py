"""`etsdm compare`."""

from pathlib import Path

import click

from etsdm.commands._options import INPUT, out_file
from etsdm.commands._record import code_of, manifest_of, recorded, say

ORDER = 160


@click.command()
@click.option("--restored", type=INPUT, required=True, help="Archive of restored images.")
@click.option("--truth", type=INPUT, required=True, help="Archive of true images, in the same order.")
@out_file("scores.json to write.")
def compare(restored: Path, truth: Path, out: Path) -> None:
    """Compare restored images with true ones: PSNR, SSIM, colour.

    \b
    Example:  etsdm compare --restored restored.zip --truth images.zip --out scores.json
    """
    from etsdm.metrics.restoration import compare as run

    with recorded(manifest_of(out), [restored, truth], [out], code=code_of("compare")):
        values = run(restored, truth, out)["values"]
    say(*(f"{name}  {value:.6g}" for name, value in values.items()), out)
