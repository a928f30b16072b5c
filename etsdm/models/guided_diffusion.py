"""Checkpoints of guided-diffusion (Dhariwal & Nichol 2021) and improved-diffusion, read as networks of ours.

The names and shapes of the parameters are those of our U-Net already. What differs in them is made the same here,
exactly: the predicted variance is left out, one class is written into a class-conditional network, and the newer order
of the attention's channels becomes the older one. Times are told in steps, 0 to T - 1, as the authors did with
T = 1000, or scaled from there, as improved-diffusion does with other T.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from etsdm.diffusion.settings import Diffusion
from etsdm.errors import UserError
from etsdm.models.spec import NetworkSpec
from etsdm.models.trained import build_network
from etsdm.models.weights import save_weights
from etsdm.runtime.files import sha256
from etsdm.runtime.finite import check_all_finite

Tensors = dict[str, Tensor]
Spec = dict[str, Any]

NOTE = (bool, int, float, str, type(None))
"""What trainers note beside the tensors of a network; it is left out."""
MARK = "time_embed.0.weight"
"""A tensor that every such network has: what stands before its name stands before the names of all."""
NO_CHECKPOINT = {
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"version https://git-lfs": "a pointer of Git LFS",
}
"""How files start that a download left instead of a checkpoint, in small letters."""
SHOWN = 6
"""Names of a file that a message shows."""


def import_checkpoint(
    checkpoint: Path,
    out: Path,
    name: str,
    resolution: int,
    diffusion: Diffusion,
    heads: int | None,
    head_channels: int | None,
    norm_groups: int = 32,
    attention_order: str = "legacy",
    label: int | None = None,
    told_up_to: int | None = None,
) -> Spec:
    """Write a checkpoint's network as weights of ours, trained as ddpm, with the specification in the metadata.

    Args:
        checkpoint: a state_dict, `.safetensors` or as `torch.save` writes it, or a mapping that holds one (see
            `network_within`).
        out: the weights file to write.
        name: of the data set that it was trained on.
        resolution: side of its images in pixels.
        diffusion: the process it was trained with: schedule, timesteps, time, tau_min, prediction.
        heads: attention heads, where they do not depend on the width; else None.
        head_channels: channels a head, where the width sets the number of heads; else None.
        norm_groups: groups of every group normalisation.
        attention_order: of the channels of `qkv`: `legacy` is heads first, `new` is query, key and value first.
        label: the class that a class-conditional network will draw. None: the network is not class-conditional.
        told_up_to: N, where the network was told t N / T instead of t, with T timesteps; else None.

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
        origin = {"sha256": sha256(checkpoint), "attention_order": attention_order, "label": label}
        spec = NetworkSpec.model_validate(
            {
                "task": {"name": "generation"},
                "dataset": {"name": name, "resolution": resolution, "channels": channels},
                "diffusion": diffusion.model_dump(),
                "method": {"name": "ddpm"},
                "network": network,
                "imported": origin | {"told_up_to": told_up_to},
            }
        )
        check_tensors(tensors, spec)
        if attention_order == "new":
            tensors = heads_first(tensors, network["heads"], network["head_channels"])
    except UserError as error:
        raise UserError(f"{checkpoint}: {error}") from None
    except ValidationError as error:
        reasons = "; ".join(str(wrong.get("ctx", {}).get("error", wrong["msg"])) for wrong in error.errors())
        raise UserError(f"{checkpoint}: {reasons}") from None
    except KeyError as error:
        raise UserError(f"{checkpoint}: no U-Net of guided-diffusion: it has no tensor {error}") from None
    save_weights(out, tensors, spec.json_values())
    return network


def read_checkpoint(path: Path) -> Tensors:
    """The network's tensors in float32, by guided-diffusion's names; no code in the file is run.

    Which network it is, where the file does not hold its tensors alone, is said on stderr.

    Raises:
        UserError: the file is damaged or no checkpoint, `network_within` finds none in it, or a value is not finite.
    """
    try:
        _check_start(path)
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, UnpicklingError, SafetensorError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UserError(f"{path}: not a readable checkpoint, or one that holds more than tensors ({first})") from None
    try:
        prefix, within, other_prefixes = network_within(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    inside = [name for name, _ in _flat(content, "") if name.startswith(prefix)]
    if notes := [name for name in inside if name.removeprefix(prefix) not in within]:
        print(f"etsdm: {path}: left out {listed(notes)}: notes, not tensors", file=sys.stderr)
    if prefix:
        rest = f", not under {listed(other_prefixes)}" if other_prefixes else ""
        print(f"etsdm: {path}: took the network under '{prefix}'{rest}", file=sys.stderr)
    tensors = {name: tensor.detach().float() for name, tensor in within.items()}
    check_all_finite(tensors, str(path), "take a checkpoint from before its training diverged")
    return tensors


def _check_start(path: Path) -> None:
    """Raise UserError if the file starts like what is no checkpoint."""
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if not path.stat().st_size:
        raise UserError(f"{path}: the file is empty; download it again")
    for sign, kind in NO_CHECKPOINT.items():
        if start.startswith(sign):
            raise UserError(f"{path}: looks like {kind}, not a checkpoint; download the file itself")


def network_within(content: Any) -> tuple[str, Tensors, list[str]]:
    """The network in what a file holds, by guided-diffusion's names.

    Trainers put a state_dict into a mapping, beside the optimizer's. DistributedDataParallel, torch.compile and
    averages put a word before all names. Of several networks the averaged one is taken: that with `ema` before its
    names.

    Returns:
        What stood before its names (`ema_model.`, say), its tensors, and what stood before those of other networks.

    Raises:
        UserError: there is no such network, there are several, or something in it is neither a tensor nor a `NOTE`.
    """
    if not isinstance(content, Mapping):
        raise UserError("not a state_dict: it must map names to tensors")
    values = dict(_flat(content, ""))
    starts = [name.removesuffix(MARK) for name in values if f".{name}".endswith(f".{MARK}")]
    if not starts:
        raise UserError(f"no U-Net of guided-diffusion: it has no tensor '{MARK}'; it holds {listed(list(content))}")
    most = max(map(_averages, starts))
    prefix, *equal = [start for start in starts if _averages(start) == most]
    if equal:
        raise UserError(
            f"holds several networks, under {listed([prefix, *equal])}; save the one that is wanted by itself"
        )
    tensors = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    tensors = {name: value for name, value in tensors.items() if not isinstance(value, NOTE)}
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise UserError(f"not a state_dict: {prefix}{name} is of type {type(value).__name__}, and no tensor")
    return prefix, tensors, [start for start in starts if start != prefix]


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What mappings within mappings hold, by their keys with dots between them."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, item in value.items():
        yield from _flat(item, f"{name}.{key}" if name else str(key))


def _averages(start: str) -> int:
    """How often the word `ema` stands in what comes before names: twice in `ema.ema_model.`, the average of an EMA."""
    return len(re.findall(r"(?<![a-z])ema(?![a-z])", start.lower()))


def listed(names: list[Any]) -> str:
    """The first names, in quotes."""
    return ", ".join(f"'{name}'" for name in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def taken_on_trust(network: Spec, resolution: int) -> list[str]:
    """What no tensor shows and what it makes of the network: a line for each option."""
    levels = " and ".join(f"{side} px" for side in network["attention"])
    width, heads, each = network["channels"] * network["multipliers"][-1], network["heads"], network["head_channels"]
    option, meaning = (
        ("--head-channels", f"{each} channels a head, the last level has {width // each} heads")
        if each
        else ("--heads", f"{heads} heads, each has {width // heads} channels in the last level")
    )
    return [
        f"--resolution cannot be told from the file; with {resolution} px, the network attends "
        + (f"at {levels}" if levels else "in its middle alone"),
        f"{option} cannot be told from the file; with {meaning}",
        "--norm-groups, --attention-order, --schedule, --timesteps and --prediction cannot be told either; with a "
        "wrong value the network draws noise, so look at some images first",
    ]


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


def check_tensors(tensors: Tensors, spec: NetworkSpec) -> None:
    """Raise UserError unless the tensors are those of the network that `spec` describes, by name and shape."""
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in build_network(spec).state_dict().items()}
    actual = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            raise UserError(
                f"recognised as {spec.network.model_dump()}, but {name} is {actual.get(name, 'missing')} and not "
                f"{expected.get(name, 'there')} in such a network"
            )
