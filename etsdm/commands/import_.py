"""`etsdm import`."""

import json
from pathlib import Path
from typing import Any

import click

from etsdm.commands._options import INPUT, PREDICTIONS, SCHEDULES, out_folder
from etsdm.commands._record import recorded
from etsdm.errors import UserError
from etsdm.runtime.files import sha256

ORDER = 80


@click.command("import")
@click.argument("checkpoint", type=INPUT)
@out_folder("Folder for weights.safetensors.")
@click.option("--name", required=True, help="Name of the data set that the network was trained on.")
@click.option("--resolution", type=click.IntRange(1), required=True, help="Side of its images in pixels.")
@click.option("--heads", type=click.IntRange(1), help="Attention heads (num_heads).")
@click.option(
    "--head-channels", type=click.IntRange(1), help="Channels per head (num_head_channels), instead of --heads."
)
@click.option("--norm-groups", type=click.IntRange(1), default=32, show_default=True, help="Groups of a normalisation.")
@click.option("--schedule", type=SCHEDULES, default="linear", show_default=True, help="Its noise schedule.")
@click.option("--timesteps", type=click.IntRange(50), default=1000, show_default=True, help="T.")
@click.option(
    "--told-up-to",
    type=click.IntRange(1),
    help="Give 1000 if its time input was 1000 t / T (rescale_timesteps).  [default: its time input is t]",
)
@click.option("--prediction", type=PREDICTIONS, default="eps", show_default=True, help="What the network predicts.")
@click.option(
    "--attention-order",
    type=click.Choice(["legacy", "new"]),
    default="legacy",
    show_default=True,
    help="new: for a checkpoint made with use_new_attention_order.",
)
@click.option("--label", type=click.IntRange(0), help="The class to draw, for a class-conditional network.")
def import_(
    checkpoint: Path,
    out: Path,
    name: str,
    resolution: int,
    heads: int | None,
    head_channels: int | None,
    norm_groups: int,
    schedule: str,
    timesteps: int,
    told_up_to: int | None,
    prediction: str,
    attention_order: str,
    label: int | None,
) -> None:
    """Import a checkpoint in guided-diffusion's layout as a model.

    Most settings of the network follow from its tensors. The options are those that the tensors do not show. A learned
    variance is left out. Of the published files, take ema_*.pt. Upsamplers and the network for 512 pixels cannot be
    imported.

    Prefixes of the names (module., _orig_mod., ema_model.) and outer mappings (state_dict, ema, model) are removed. If
    the file holds several networks, the one under ema is taken, and a message says so.

    \b
    Example:  etsdm import lsun_bedroom.pt --name lsun-bedroom --resolution 256 --head-channels 64 --out bedroom
    """
    from etsdm.diffusion.settings import Diffusion
    from etsdm.models.guided_diffusion import import_checkpoint, taken_on_trust

    if (heads is None) == (head_channels is None):
        raise UserError("import: give either --heads or --head-channels, as the network was trained with")
    diffusion = Diffusion(timesteps=timesteps, schedule=schedule, time="discrete", prediction=prediction, tau_min=1e-3)
    weights = out / "weights.safetensors"
    with recorded(out / "manifest.json", [checkpoint], [weights]) as record:
        record["network"] = import_checkpoint(
            checkpoint,
            weights,
            name,
            resolution,
            diffusion,
            heads,
            head_channels,
            norm_groups,
            attention_order,
            label,
            told_up_to,
        )
    if timesteps != 1000 and told_up_to is None:
        click.echo(
            f"etsdm: warning: the network's time input will be t = 0, ..., {timesteps - 1}. If it was trained with "
            f"rescale_timesteps (the default of improved-diffusion), its time input was 1000 t / {timesteps}: give "
            "--told-up-to 1000",
            err=True,
        )
    for line in taken_on_trust(record["network"], resolution):
        click.echo(f"etsdm: {line}", err=True)
    _show(weights, record["network"])


def _show(weights: Path, network: dict[str, Any]) -> None:
    """Print the lines with which a configuration starts trainings at these weights."""
    settings = [f"{key}: {json.dumps(value)}" for key, value in network.items()]
    initial = json.dumps({"weights": str(weights), "sha256": sha256(weights)})
    click.echo("\n  ".join([f"# {weights} in a configuration\nnetwork:", *settings]))
    click.echo(f"training:\n  initial: {initial}")
