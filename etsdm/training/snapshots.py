"""Which averaged weights a training keeps on its way, and their files."""

from itertools import product
from pathlib import Path
from typing import NamedTuple

from etsdm.config.training import Training
from etsdm.errors import UserError
from etsdm.runtime.files import sha256


class Snapshot(NamedTuple):
    """The average of one half-life, in images, after the first step at or beyond a count of images."""

    images: int
    ema_half_life: int

    @property
    def label(self) -> str:
        """Name of its folder."""
        return f"{self.images}-ema{self.ema_half_life}"

    @property
    def file(self) -> str:
        """Name of its file in the folder of its training."""
        return f"snapshot-{self.label}.safetensors"


def requested(training: Training) -> list[Snapshot]:
    """Every snapshot that the settings of a training ask for, in the order of their making."""
    settings = training.snapshots
    return [Snapshot(*pair) for pair in product(sorted(settings.images), settings.ema_half_lives)] if settings else []


def last(training: Training) -> Snapshot:
    """What a training leaves in any case: its weights.safetensors."""
    return Snapshot(training.images, training.ema_half_life)


def intermediate(training: Training) -> list[Snapshot]:
    """The snapshots that have files of their own: all but the last."""
    return [snapshot for snapshot in requested(training) if snapshot != last(training)]


def half_lives(training: Training) -> list[int]:
    """Half-lives of the averages that run along, in images: that of the last weights first."""
    return list(dict.fromkeys(snapshot.ema_half_life for snapshot in [last(training), *requested(training)]))


def check_kept(folder: Path, digests: dict[str, str]) -> None:
    """Check the snapshots that a resumed training has written before.

    Args:
        folder: that of the training.
        digests: SHA-256 by the name of each file.

    Raises:
        UserError: one is missing or not what was written.
    """
    for name, digest in digests.items():
        if problem := what_is_wrong(folder / name, digest):
            raise UserError(
                f"{problem}, and the training is past it; put it back, or remove {folder / 'state'}: the same command "
                "then trains from the beginning"
            )


def what_is_wrong(file: Path, digest: str | None) -> str:
    """That a file is missing, or is not the one of that SHA-256; empty if all is well."""
    if not file.exists():
        return f"{file}: this snapshot is missing"
    return "" if sha256(file) == digest else f"{file}: this snapshot is damaged"
