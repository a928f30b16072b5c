"""The network, as a configuration states it."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from etsdm.config.presets import OfPreset
from etsdm.config.strict import Real

MOST_CHANNELS = 4096 * 64
"""Of a level of the network."""


class Network(OfPreset):
    """The ADM U-Net. The name of a preset alone stands for its values."""

    block: ClassVar[str] = "network"

    channels: int = Field(ge=1, le=4096)
    """Channels of the first level."""
    multipliers: list[Annotated[int, Field(ge=1, le=64)]] = Field(min_length=1, max_length=11)
    """Channels of each level, as multiples of `channels`; each level halves the resolution."""
    blocks: int = Field(ge=1, le=32)
    """Residual blocks a level."""
    attention: list[Annotated[int, Field(ge=1, le=1024)]]
    """Resolutions, in pixels, that have self-attention."""
    heads: int = Field(1, ge=1, le=MOST_CHANNELS)
    """Attention heads, where `head_channels` is null."""
    head_channels: int | None = Field(None, ge=1, le=MOST_CHANNELS)
    """Channels a head; overrides `heads`."""
    dropout: Real = Field(0.0, ge=0, lt=1)
    """Dropout rate in the residual blocks."""
    norm_groups: int = Field(32, ge=1, le=MOST_CHANNELS)
    """Groups of each group normalisation; must divide the channels of every level."""
    scale_shift_norm: bool = True
    """Let time scale and shift the normalised activations (adaptive group normalisation)."""
    resblock_updown: bool = False
    """Change the resolution by residual blocks instead of strided convolutions."""

    @model_validator(mode="after")
    def _channels_divide(self) -> Self:
        widths = [self.channels * multiplier for multiplier in self.multipliers]
        for width in widths:
            if width % self.norm_groups:
                raise ValueError(f"norm_groups = {self.norm_groups} does not divide the {width} channels of a level")
        if self.channels % 2:
            raise ValueError(f"channels = {self.channels} must be even: time is embedded in sines and cosines")
        last = widths[-1]  # the middle block always has attention
        if self.head_channels is None and last % self.heads:
            raise ValueError(f"heads = {self.heads} does not divide the {last} channels of the last level")
        if self.head_channels is not None and last % self.head_channels:
            raise ValueError(
                f"head_channels = {self.head_channels} does not divide the {last} channels of the last level"
            )
        return self
