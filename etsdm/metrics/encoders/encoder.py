"""What every encoder's settings have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from etsdm.config.strict import Strict


class Encoder(Strict):
    """Settings of an encoder.

    Attributes:
        order: place among the encoders.
        length: of a feature vector.
        file: its weights, in its folder. One that `needs_labels` keeps this name.
        needs_labels: whether it is trained on a data set's labels, so that each data set has one of its own.
        timed: whether its features take so long that an estimate counts them.
        work: operations an image, as a multiple of the Inception network's; an estimate divides given rates by it.
        where: settings that say where its weights are, and no more.
        prefixes: beginnings of the names of its metrics by distance, where they are not the usual ones.
        about: what a report says of its metrics by distance.
    """

    order: ClassVar[int]
    length: ClassVar[int]
    file: ClassVar[str] = "weights.safetensors"
    needs_labels: ClassVar[bool] = False
    timed: ClassVar[bool] = False
    work: ClassVar[float] = 1.0
    where: ClassVar[frozenset[str]] = frozenset()
    prefixes: ClassVar[Mapping[str, str]] = {}
    about: ClassVar[Mapping[str, str]] = {}

    name: str

    def missing(self) -> str | None:
        """Why a file that the settings name cannot be used; None if it can, or if they name none."""
        return None

    def local(self) -> Path | None:
        """The file on this machine that its weights are copied from; None where they are downloaded or trained."""
        return None
