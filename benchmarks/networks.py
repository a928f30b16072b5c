"""One network, twice: this project's, and diffusers' of the same width and depth."""

from typing import Any

from diffusers import UNet2DModel

from benchmarks.project import ROOT, read_config
from etsdm.plan.plan import make_plan

MULTIPLIERS = (1, 2, 2)
BLOCKS = 2
HEAD_CHANNELS = 32


def model_spec(resolution: int, width: int, batch: int, precision: str = "float32") -> dict[str, Any]:
    """The specification of an E-TSDM model on colour images, with attention after the first halving."""
    values = read_config(ROOT / "config" / "digits.yaml")
    values["seeds"] = [0]
    values["datasets"] = {"photos": {"source": "bundled", "bundle": "photos", "resolution": resolution}}
    values["experiments"] = {"lipschitz": {"datasets": ["photos"], "methods": ["etsdm"], "images": 1}}
    values["network"] |= {
        "channels": width,
        "multipliers": list(MULTIPLIERS),
        "blocks": BLOCKS,
        "attention": [resolution // 2],
        "head_channels": HEAD_CHANNELS,
        "norm_groups": 32,
    }
    values["training"] |= {"batch": batch, "precision": precision}
    (model,) = make_plan(values, "benchmark", look=False).models.values()
    return model.spec


def diffusers_network(resolution: int, width: int) -> UNet2DModel:
    """diffusers' U-Net with guided-diffusion's settings."""
    return UNet2DModel(
        sample_size=resolution,
        in_channels=3,
        out_channels=3,
        layers_per_block=BLOCKS,
        block_out_channels=[width * multiplier for multiplier in MULTIPLIERS],
        down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
        attention_head_dim=HEAD_CHANNELS,
        norm_num_groups=32,
        norm_eps=1e-5,
        resnet_time_scale_shift="scale_shift",
    )
