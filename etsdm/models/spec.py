"""The specification of a network: what it is, and how it was trained."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_serializer, model_validator

from etsdm.config.network import Network
from etsdm.config.spec import Seed, Spec
from etsdm.config.strict import Count, Name, Strict
from etsdm.config.training import Training
from etsdm.data.sources.source import Resize, Split
from etsdm.diffusion.methods import OneMethod
from etsdm.diffusion.settings import Diffusion


class Generation(Strict):
    """Images from noise."""

    name: Literal["generation"]


class SuperResolution(Strict):
    """Images from small ones."""

    name: Literal["super-resolution"]
    factor: int = Field(ge=2, le=1024)


class Images(Strict):
    """Prepared images, wherever they come from; what else their data set says of them is in their path."""

    name: Name
    resolution: Count
    channels: Literal[1, 3]
    split: Split | None = None
    resize: Resize | None = None
    skip_damaged: int | None = None
    _keys: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _remember_keys(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        images = handler(values)
        images._keys = tuple(values) if isinstance(values, dict) else images._keys
        return images

    @model_serializer
    def _as_given(self) -> dict[str, Any]:
        """In the order of the data set's own settings, so that the same specification has the same bytes."""
        return {key: getattr(self, key) for key in self._keys}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: channels, height, width."""
        return self.channels, self.resolution, self.resolution


class Imported(Strict):
    """Where an imported network comes from."""

    sha256: str
    attention_order: str
    label: int | None
    told_up_to: int | None
    """N, where the network was told t N / T instead of t."""


class NetworkSpec(Spec):
    """A network with its diffusion process."""

    task: Annotated[Generation | SuperResolution, Field(discriminator="name")]
    dataset: Images
    diffusion: Diffusion
    method: OneMethod
    network: Network
    imported: Imported | None = None

    @property
    def factor(self) -> int | None:
        """How many times smaller the images are that a network for super-resolution is given; None for others."""
        return self.task.factor if isinstance(self.task, SuperResolution) else None

    @property
    def inputs(self) -> int:
        """Channels that the network takes in: one for super-resolution takes a second image."""
        return self.dataset.channels * (2 if self.factor else 1)

    @property
    def told_up_to(self) -> int | None:
        """The N of an imported network that is told t N / T; None for one that is told t."""
        return self.imported.told_up_to if self.imported else None


class SnapshotOf(Strict):
    """Which snapshot of a training."""

    images: Count
    ema_half_life: Count


class ModelSpec(NetworkSpec):
    """A training, or a snapshot of one as a model of its own."""

    training: Training
    seed: Seed
    snapshot: SnapshotOf | None = None


def read_model_spec(values: dict[str, Any]) -> NetworkSpec:
    """The specification in a weights file: of a training, or of a network that was imported.

    Raises:
        ValidationError: a setting is missing, unknown or wrong.
    """
    return (ModelSpec if "training" in values else NetworkSpec).model_validate(values)
