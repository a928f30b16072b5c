"""The full state of a training run on disk: what an interrupted run goes on from."""

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from etsdm.files import atomic

KEEP = 2


def run_identity(spec: dict[str, Any], source: str) -> str:
    """What a state belongs to: the specification of the run and the digest of the code that runs it."""
    return sha256(f"{json.dumps(spec, sort_keys=True)}\n{source}".encode()).hexdigest()


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write `state`, named by its "images", atomically; only the last `KEEP` states stay."""
    with atomic(folder / f"{state['images']:012d}.pt") as temporary:
        torch.save(state, temporary)
    for old in _newest_first(folder)[KEEP:]:
        old.unlink()


def load_state(folder: Path, expected: str, device: torch.device) -> dict[str, Any] | None:
    """The newest whole state in `folder` whose "fingerprint" is `expected`, its tensors on `device`.

    With none, whatever is in the folder is removed and the run starts anew. Both are said on stderr.
    """
    for path in _newest_first(folder):
        try:
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
            print(f"etsdm: {path}: skipping a damaged state ({error})", file=sys.stderr)
            continue
        if state["fingerprint"] == expected:
            print(f"etsdm: {path}: resuming after {state['images']:,} images", file=sys.stderr)
            return state
        print(f"etsdm: {path}: left by another configuration or version; not resumed", file=sys.stderr)
    remove_states(folder)
    return None


def remove_states(folder: Path) -> None:
    """Remove the folder of states, if there is one."""
    if folder.exists():
        shutil.rmtree(folder)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pt"), reverse=True)
