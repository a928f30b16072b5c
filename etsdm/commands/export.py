"""`etsdm export`."""

from pathlib import Path

import click

from etsdm.commands._options import WEIGHTS, out_folder
from etsdm.commands._record import recorded

ORDER = 100


@click.command()
@WEIGHTS
@out_folder("Folder to write.")
def export(weights: Path, out: Path) -> None:
    """Export a model as a folder that diffusers loads.

    \b
    Example:  etsdm export --weights RUN/weights.safetensors --out for-diffusers
    """
    from etsdm.models import diffusers

    files = (diffusers.UNET, diffusers.UNET_CONFIG, diffusers.SCHEDULER, diffusers.PIPELINE)
    with recorded(out / "manifest.json", [weights], [out / file for file in files]):
        diffusers.export(weights, out)
