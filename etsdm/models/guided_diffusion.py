"""Checkpoints of guided-diffusion (Dhariwal & Nichol 2021) and improved-diffusion, read as networks of ours.

The names and shapes of the parameters are those of our U-Net already. What differs in them is made the same here,
exactly: the predicted variance is left out, one class is written into a class-conditional network, and the newer order
of the attention's channels becomes the older one. Times are told in steps, 0 to T - 1, as the
authors did with T = 1000.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from etsdm.errors import UserError
from etsdm.files import sha256
from etsdm.finite import check_all_finite
from etsdm.models.trained import build_network
from etsdm.models.weights import save_weights

Tensors = dict[str, Tensor]
Spec = dict[str, Any]


def import_checkpoint(
    checkpoint: Path,
    out: Path,
    name: str,
    resolution: int,
    diffusion: Spec,
    heads: int | None,
    head_channels: int | None,
    norm_groups: int = 32,
    attention_order: str = "legacy",
    label: int | None = None,
) -> Spec:
    """Write a checkpoint's network as weights of ours, trained as ddpm, with the specification in the metadata.

    Args:
        checkpoint: a state_dict, `.safetensors` or as `torch.save` writes it.
        out: the weights file to write.
        name: of the data set that it was trained on.
        resolution: side of its images in pixels.
        diffusion: the process it was trained with: schedule, timesteps, time, tau_min, prediction.
        heads: attention heads, where they do not depend on the width; else None.
        head_channels: channels a head, where the width sets the number of heads; else None.
        norm_groups: groups of every group normalisation.
        attention_order: of the channels of `qkv`: `legacy` is heads first, `new` is query, key and value first.
        label: the class that a class-conditional network shall draw from now on; None for one that is not.

    Returns:
        The network's settings, as in a configuration.

    Raises:
        UserError: the file cannot be read, or is not such a network.
    """
    tensors = read_checkpoint(checkpoint)
    try:
        tensors = with_label(tensors, label)
        network = recognise(tensors, resolution, heads, head_channels, norm_groups)
        tensors, channels = without_variance(tensors)
        spec = {
            "task": {"name": "generation"},
            "dataset": {"name": name, "resolution": resolution, "channels": channels},
            "diffusion": diffusion,
            "method": {"name": "ddpm"},
            "network": network,
            "imported": {"sha256": sha256(checkpoint), "attention_order": attention_order, "label": label},
        }
        check_tensors(tensors, spec)
        if attention_order == "new":
            tensors = heads_first(tensors, network["heads"], network["head_channels"])
    except UserError as error:
        raise UserError(f"{checkpoint}: {error}") from None
    except KeyError as error:
        raise UserError(f"{checkpoint}: no U-Net of guided-diffusion: it has no tensor {error}") from None
    save_weights(out, tensors, spec)
    return network


def read_checkpoint(path: Path) -> Tensors:
    """The tensors of a state_dict in float32; no code in the file is run.

    Raises:
        UserError: the file is damaged, holds anything but tensors by name, or a value that is not finite.
    """
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, UnpicklingError, SafetensorError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UserError(f"{path}: not a readable checkpoint, or one that holds more than tensors ({first})") from None
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UserError(f"{path}: not a state_dict: it must map names to tensors and hold nothing else")
    tensors = {str(name): tensor.detach().float() for name, tensor in found.items()}
    check_all_finite(tensors, str(path), "take a checkpoint from before its training diverged")
    return tensors


def recognise(
    tensors: Tensors, resolution: int, heads: int | None, head_channels: int | None, norm_groups: int
) -> Spec:
    """The settings of the network that has these tensors; those that no shape shows are given.

    Raises:
        UserError: our U-Net cannot have them.
        KeyError: a tensor that every such network has is missing.
    """
    channels = tensors["time_embed.0.weight"].shape[1]
    ups = [name for name in tensors if re.fullmatch(r"output_blocks\.\d+\.[12]\.(conv|in_layers\.0)\.weight", name)]
    levels = len(ups) + 1
    blocks = _count(tensors, "output_blocks") // levels - 1
    firsts = [f"input_blocks.{1 + level * (blocks + 1)}" for level in range(levels)]
    widths = [len(tensors[f"{first}.0.out_layers.3.bias"]) for first in firsts]
    if any(width % channels for width in widths):
        raise UserError(f"its levels have {widths} channels, which are no whole multiples of {channels}")
    embedded = len(tensors[f"{firsts[0]}.0.emb_layers.1.bias"])
    return {
        "channels": channels,
        "multipliers": [width // channels for width in widths],
        "blocks": blocks,
        "attention": [resolution >> level for level, first in enumerate(firsts) if f"{first}.1.qkv.weight" in tensors],
        "heads": heads or 1,
        "head_channels": head_channels,
        "dropout": 0.0,
        "norm_groups": norm_groups,
        "scale_shift_norm": embedded == 2 * widths[0],
        "resblock_updown": any(".in_layers." in up for up in ups),
    }


def _count(tensors: Tensors, blocks: str) -> int:
    return len({name.split(".")[1] for name in tensors if name.startswith(f"{blocks}.")})


def without_variance(tensors: Tensors) -> tuple[Tensors, int]:
    """The tensors of the network that predicts the noise alone, and the channels of its images.

    Where the variance is learned, the last convolution has twice the channels, the noise first (Nichol & Dhariwal 2021,
    section 3.1).

    Raises:
        UserError: it is not a network from images to images of that kind.
    """
    channels, outputs = tensors["input_blocks.0.0.weight"].shape[1], len(tensors["out.2.bias"])
    if channels not in (1, 3) or outputs not in (channels, 2 * channels):
        raise UserError(
            f"takes {channels} channels and gives {outputs}; only networks that take 1 or 3 and give as many, or twice "
            "as many with a learned variance, can be imported (an upsampler takes a second image)"
        )
    last = {name: tensors[name][:channels] for name in ("out.2.weight", "out.2.bias")}
    return tensors | last, channels


def with_label(tensors: Tensors, label: int | None) -> Tensors:
    """The tensors of a network that draws one class: its embedding, added to that of the time, becomes a bias.

    Raises:
        UserError: the network has classes and no label is given, or the other way round, or has no such class.
    """
    classes = len(tensors.get("label_emb.weight", ()))
    if classes and label is None:
        raise UserError(f"is conditioned on {classes} classes; choose the one to draw with --label 0 to {classes - 1}")
    if label is None:
        return tensors
    if label >= classes:
        raise UserError(f"has {classes} classes, so none is number {label}" if classes else "has no classes to choose")
    bias = tensors["time_embed.2.bias"] + tensors["label_emb.weight"][label]
    return {name: tensor for name, tensor in tensors.items() if name != "label_emb.weight"} | {
        "time_embed.2.bias": bias
    }


def heads_first(tensors: Tensors, heads: int, head_channels: int | None) -> Tensors:
    """The tensors with the channels of each `qkv` ordered heads first, where query, key and value came first."""

    def reordered(tensor: Tensor) -> Tensor:
        count = len(tensor) // 3 // head_channels if head_channels else heads
        return tensor.unflatten(0, (3, count, -1)).transpose(0, 1).flatten(0, 2)

    return {name: reordered(tensor) if ".qkv." in name else tensor for name, tensor in tensors.items()}


def check_tensors(tensors: Tensors, spec: Spec) -> None:
    """Raise UserError unless the tensors are those of the network that `spec` describes, by name and shape."""
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in build_network(spec).state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise UserError(
                f"recognised as {spec['network']}, but {name} is {found.get(name, 'missing')} and not "
                f"{wanted.get(name, 'there')} in such a network"
            )
