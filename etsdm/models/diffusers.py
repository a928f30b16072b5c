"""Networks of ours, written as a folder that `diffusers` loads: UNet2DModel, DDIMScheduler and DDIMPipeline.

diffusers is not needed for it. What it cannot express is refused with the reason. A method's condition f(t) is no layer
there, but a learned time embedding is a table by t, and the embedding of f(t) can stand in it.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from etsdm.config.network import Network
from etsdm.diffusion.conditions import identity
from etsdm.diffusion.predictions import FLOW, NOISE, SCORE, SCORE_OVER_SIGMA
from etsdm.diffusion.process import Process
from etsdm.diffusion.schedules import DiscreteSchedule
from etsdm.diffusion.schedules.levels import VariancePreserving
from etsdm.errors import UserError
from etsdm.models.spec import NetworkSpec
from etsdm.models.trained import load_network, process_of
from etsdm.models.unet import UNet
from etsdm.runtime.files import atomic, write_json

Spec = dict[str, Any]

VERSION = "0.42.1"
"""The diffusers that the folders are tested with."""
PIPELINE = "model_index.json"
SCHEDULER = "scheduler/scheduler_config.json"
UNET_CONFIG = "unet/config.json"
UNET = "unet/diffusion_pytorch_model.safetensors"
PREDICTIONS = {"eps": "epsilon", "v": "v_prediction", "x_0": "sample"}
PARTS = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
    "norm": "group_norm",
    "proj_out": "to_out.0",
    "op": "conv",
    "conv": "conv",
}
"""diffusers' names within residual blocks, attention and resampling."""
WHOLE = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
"""diffusers' names of single layers."""


def export(weights: Path, out: Path) -> None:
    """Write the network of a weights file, with its schedule and its condition, to the folder `out`.

    Raises:
        UserError: the file cannot be used, or diffusers cannot express what it holds.
    """
    network, spec = load_network(weights)
    process = process_of(spec)
    try:
        schedule = exportable(spec, process)
        config = unet_config(spec, process)
    except UserError as error:
        raise UserError(f"{weights}: cannot be exported: {error}") from None
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDIMScheduler"]}
    tensors = renamed(network, spec.network)
    if process.condition is not identity:
        tensors["time_proj.weight"] = time_table(network, process)
    with atomic(out / UNET) as temporary:
        temporary.write_bytes(save(tensors, metadata={"format": "pt"}))
    write_json(out / UNET_CONFIG, config)
    write_json(out / SCHEDULER, scheduler_config(schedule, spec.diffusion.prediction))
    write_json(out / PIPELINE, _class_of("DDIMPipeline") | parts)


def exportable(spec: NetworkSpec, process: Process) -> DiscreteSchedule:
    """The process' schedule, if diffusers' DDIM can follow the process; UserError with the reason if it cannot."""
    schedule = process.schedule
    if spec.task.name != "generation":
        raise UserError(f"no pipeline of diffusers asks a UNet2DModel for {spec.task.name} as ours is asked")
    if process.prediction in (SCORE, SCORE_OVER_SIGMA):
        raise UserError("it predicts the score, which DDIMScheduler does not know")
    if process.prediction is FLOW or schedule.levels is not VariancePreserving:
        raise UserError("DDIMScheduler knows neither the straight path of flow matching nor its prediction")
    if schedule.shared_edges:
        raise UserError("its noise levels are shared inside sub-intervals, in which DDIMScheduler would take steps")
    if spec.told_up_to:
        raise UserError(f"it is told times up to {spec.told_up_to}, and DDIMPipeline tells its network t itself")
    if not isinstance(schedule, DiscreteSchedule):
        raise UserError("it was trained in continuous time, and DDIMScheduler knows whole timesteps only")
    if process.prediction is NOISE and schedule.t_max < schedule.t_end:
        raise UserError(
            "it predicts noise on a schedule that ends without signal, where DDIMScheduler starts and divides by 0"
        )
    return schedule


def scheduler_config(schedule: DiscreteSchedule, prediction: str) -> Spec:
    """DDIMScheduler with the schedule's betas, which starts at its last timestep and ends with the predicted x_0.

    It knows of no `t_stop`: it ends at whole timesteps alone.
    """
    steps = np.diff(schedule.log_alphas, prepend=0.0)
    return _class_of("DDIMScheduler") | {
        "num_train_timesteps": schedule.timesteps,
        "trained_betas": (-np.expm1(2 * steps)).tolist(),
        "prediction_type": PREDICTIONS[prediction],
        "clip_sample": False,
        "set_alpha_to_one": True,
        "timestep_spacing": "trailing",
    }


def unet_config(spec: NetworkSpec, process: Process) -> Spec:
    """UNet2DModel's settings.

    Raises:
        UserError: it has none for this network.
    """
    network, resolution = spec.network, spec.dataset.resolution
    if network.multipliers[0] != 1:
        raise UserError(
            f"its first level has {network.multipliers[0]} times the channels of its time embedding; UNet2DModel "
            "has as many"
        )
    kind, convolving = ("resnet", "Resnet{}sampleBlock2D") if network.resblock_updown else ("conv", "{}Block2D")
    attended = [resolution >> level in network.attention for level in range(len(network.multipliers))]
    downs = ["AttnDownBlock2D" if attends else convolving.format("Down") for attends in attended]
    ups = ["AttnUpBlock2D" if attends else convolving.format("Up") for attends in reversed(attended)]
    table = {"time_embedding_type": "learned", "num_train_timesteps": spec.diffusion.timesteps}
    return _class_of("UNet2DModel") | {
        "sample_size": resolution,
        "in_channels": spec.dataset.channels,
        "out_channels": spec.dataset.channels,
        **({"time_embedding_type": "positional"} if process.condition is identity else table),
        "freq_shift": 0,
        "flip_sin_to_cos": True,
        "down_block_types": downs,
        "up_block_types": ups,
        "block_out_channels": [network.channels * multiplier for multiplier in network.multipliers],
        "layers_per_block": network.blocks,
        "downsample_type": kind,
        "upsample_type": kind,
        "dropout": network.dropout,
        "attention_head_dim": _head_channels(network, attended),
        "norm_num_groups": network.norm_groups,
        "attn_norm_num_groups": network.norm_groups,
        "norm_eps": 1e-5,
        "resnet_time_scale_shift": "scale_shift" if network.scale_shift_norm else "default",
    }


def _head_channels(network: Network, attended: list[bool]) -> int:
    """Channels a head, the same wherever there is attention: in the levels `attended` and in the middle."""
    if network.head_channels:
        return int(network.head_channels)
    multipliers = network.multipliers
    widths = {multipliers[-1], *(m for m, attends in zip(multipliers, attended, strict=True) if attends)}
    if len(widths) > 1:
        raise UserError(
            f"it has {network.heads} attention heads at every width; UNet2DModel has heads of one size, as a "
            "network with head_channels would"
        )
    return int(network.channels * widths.pop() // network.heads)


def time_table(network: UNet, process: Process) -> Tensor:
    """The sinusoidal embedding of f(t) at the timesteps t = 0 to T - 1, (T, channels)."""
    t = np.arange(process.schedule.timesteps, dtype=np.float64)
    return network.sinusoid(torch.from_numpy(process.condition(t)))


def renamed(network: UNet, settings: Network) -> dict[str, Tensor]:
    """The network's parameters by diffusers' names, with a matrix each for query, key and value."""
    tensors: dict[str, Tensor] = {}
    heads = {name: module.heads for name, module in network.named_modules() if hasattr(module, "heads")}
    for name, tensor in network.state_dict().items():
        layer, _, kind = name.rpartition(".")
        if layer in WHOLE:
            tensors[f"{WHOLE[layer]}.{kind}"] = tensor
            continue
        block, part = _block(layer, settings.blocks)
        matrix = tensor.squeeze(2) if tensor.ndim == 3 else tensor
        if part == "qkv":
            count = heads[layer.removesuffix(".qkv")]
            thirds = matrix.unflatten(0, (count, 3, -1)).unbind(1)
            tensors |= {f"{block}.to_{q}.{kind}": third.flatten(0, 1) for q, third in zip("qkv", thirds, strict=True)}
        else:
            tensors[f"{block}.{PARTS[part]}.{kind}"] = matrix
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _block(layer: str, blocks: int) -> tuple[str, str]:
    """diffusers' name of the block that a layer is in, and our name of the layer within it."""
    match = re.fullmatch(r"(input_blocks|middle_block|output_blocks)((?:\.\d+){1,2})\.([a-z].*)", layer)
    assert match, layer
    side, part = match[1], match[3]
    *outer, inner = map(int, match[2][1:].split("."))
    if side == "middle_block":
        return f"mid_block.{('resnets.0', 'attentions.0', 'resnets.1')[inner]}", part
    down = side == "input_blocks"
    level, block = divmod(outer[0] - down, blocks + 1)  # the first of the input blocks is no part of a level
    attends = part in ("norm", "qkv", "proj_out")
    resamples = block == blocks if down else inner > 0 and not attends
    way = "down" if down else "up"
    within = f"{way}samplers.0" if resamples else f"{'attentions' if attends else 'resnets'}.{block}"
    return f"{way}_blocks.{level}.{within}", part


def _class_of(name: str) -> Spec:
    return {"_class_name": name, "_diffusers_version": VERSION}
