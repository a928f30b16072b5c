"""The full state of a training run on disk: what an interrupted run goes on from."""

import io
import json
import shutil
import sys
import time
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from etsdm.errors import UserError
from etsdm.runtime.files import atomic
from etsdm.training.trainer import Trainer

KEEP = 2
DIGITS = 16
"""Hexadecimal digits of its content's SHA-256 in a state's name."""


def run_identity(spec: dict[str, Any], source: str) -> str:
    """What a state belongs to: the specification of the run and the digest of the code that runs it."""
    return sha256(f"{json.dumps(spec, sort_keys=True)}\n{source}".encode()).hexdigest()


class States:
    """The saved states of a run, and the time since the last one.

    Args:
        folder: where they are.
        identity: what they belong to; others are not resumed.
        save_minutes: how long a run may go on without saving.
    """

    def __init__(self, folder: Path, identity: str, save_minutes: float) -> None:
        self.folder = folder
        self.identity = identity
        self.every = 60 * save_minutes
        self.earlier = 0.0
        self.started = self.saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self.saved >= self.every

    @property
    def seconds(self) -> float:
        """How long the run has taken, over all attempts that it goes on from."""
        return self.earlier + time.monotonic() - self.started

    def resume(self, trainer: Trainer) -> None:
        """Let the trainer go on from the newest state, if there is one.

        Raises:
            UserError: the processes find different states.
        """
        state = None
        if trainer.processes.rank == 0:  # before the others, because it clears away what cannot be used
            state = load_state(self.folder, self.identity, trainer.device)
        trainer.processes.meet()
        if trainer.processes.rank > 0:
            state = load_state(self.folder, self.identity, trainer.device)
        if state:
            trainer.load_state_dict(state)
            self.earlier = state["seconds"]
        if trainer.processes.any(trainer.processes.agree(trainer.images) != trainer.images):
            raise UserError(f"{self.folder}: the processes find different states here; put it on a shared file system")

    def save(self, trainer: Trainer) -> None:
        """Save the trainer's state, unless it has diverged.

        Raises:
            UserError: it has.
        """
        trainer.check_finite()
        trainer.check_weights()
        state = trainer.state_dict() | {"fingerprint": self.identity, "seconds": self.seconds}
        if trainer.processes.rank == 0:
            save_state(self.folder, state)
        self.saved = time.monotonic()


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` atomically, named by its "images" and its digest; only the last `KEEP` states stay.

    Raises:
        OSError: it cannot be written, on a full disk for one; the states before it are as they were.
    """
    content = io.BytesIO()
    torch.save(state, content)
    with atomic(folder / f"{state['images']:012d}-{_digest(content.getbuffer())}.pt") as temporary:
        temporary.write_bytes(content.getbuffer())
    for old in _newest_first(folder)[KEEP:]:
        old.unlink()


def load_state(folder: Path, expected: str, device: torch.device) -> dict[str, Any] | None:
    """The newest whole state in `folder` whose "fingerprint" is `expected`, its tensors on `device`.

    What is found, and why a state is passed over, is said on stderr. With none, whatever is in the folder is removed
    and the run starts again from zero.
    """
    for path in _newest_first(folder):
        state = _read(path, device)
        if state is None:
            print(f"etsdm: {path}: DAMAGED: not what was saved; going on from the one before", file=sys.stderr)
            path.rename(path.with_suffix(".damaged"))
        elif state["fingerprint"] == expected:
            print(f"etsdm: {path}: resuming after {state['images']:,} images", file=sys.stderr)
            return state
        else:
            print(f"etsdm: {path}: left by another configuration or version; not resumed", file=sys.stderr)
            path.unlink()
    remove_states(folder)
    return None


def remove_states(folder: Path) -> None:
    """Remove the folder of states, if there is one."""
    if folder.exists():
        shutil.rmtree(folder)


def _read(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The state in a file; None if it is not what was saved, or holds anything but plain data and tensors."""
    content = path.read_bytes()
    if path.stem.rpartition("-")[2] != _digest(content):
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except UnpicklingError:
        return None
    return state


def _digest(content: bytes | memoryview) -> str:
    return sha256(content).hexdigest()[:DIGITS]


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pt"), reverse=True)
