"""The training, as a configuration states it."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from etsdm.config.presets import OfPreset
from etsdm.config.strict import MOST, Count, Counts, Rate, Real, Strict


class Initial(Strict):
    """Weights that a training starts from: of a training, or of `etsdm import`, which prints this block."""

    weights: str = Field(min_length=1)
    """The weights.safetensors, absolute or relative to where the workflow is started. As in all paths, `~` and
    `$SCRATCH`, say, are replaced when it is read."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Its SHA-256, which tells models trained from different weights apart."""


class Snapshots(Strict):
    """Averaged weights to keep on the way, for the experiment `progress`: one set for each count and half-life."""

    images: Counts
    """Counts of images seen, each at most `training.images`: kept after the first step at or beyond the count."""
    ema_half_lives: Counts
    """Half-lives of the averages, in images."""


class Training(OfPreset):
    """How the network is trained. The clock counts images: nothing depends on the number of devices or their memory.
    The name of a preset alone stands for its values."""

    block: ClassVar[str] = "training"

    images: int = Field(ge=0, le=MOST)
    """Length of the training, in images seen; with 0, the model is the `initial` one as it is."""
    batch: int = Field(ge=1, le=1_000_000)
    """Images a step, over all devices together."""
    optimizer: Literal["adamw"] = "adamw"
    """The optimizer."""
    learning_rate: Real = Field(gt=0)
    """After the warm-up."""
    betas: tuple[Rate, Rate] = Field((0.9, 0.999), strict=False)
    """AdamW's moment decay rates."""
    weight_decay: Real = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""
    warmup: int = Field(ge=0, le=MOST)
    """Images over which the learning rate rises linearly."""
    ema_half_life: Count
    """Half-life of the averaged weights, in images."""
    gradient_clip: Real = Field(1.0, gt=0)
    """Largest norm of the gradient."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: mixed precision where the device has it."""
    flip: bool = False
    """Mirror images at random."""
    initial: Initial | None = None
    """Where every training starts; null: random weights. `network` must be that of these weights, but for `dropout`."""
    snapshots: Snapshots | None = None
    """Averaged weights to keep on the way; null: none. To ask for others is to train again."""

    @model_validator(mode="after")
    def _snapshots_lie_on_the_way(self) -> Self:
        for count in self.snapshots.images if self.snapshots else ():
            if count > self.images:
                raise ValueError(f"snapshots.images: {count} lies beyond the end of training, images = {self.images}")
        return self

    @model_validator(mode="after")
    def _something_to_learn_or_to_start_from(self) -> Self:
        if not self.images and not self.initial:
            raise ValueError("images = 0 takes the `initial` weights as they are, but none are given")
        return self
