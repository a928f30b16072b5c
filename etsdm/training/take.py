"""A snapshot of a training as a model of its own."""

import os
import shutil
from pathlib import Path

from etsdm.errors import UserError
from etsdm.runtime.files import atomic, read_json
from etsdm.training.snapshots import what_is_wrong


def take_snapshot(training: Path, file: Path, out: Path) -> dict[str, float]:
    """Make `out` the same file as a snapshot, or a copy where the file system has no links.

    Args:
        training: the manifest of the training, which holds the digests of its snapshots.
        file: the snapshot.
        out: weights file to write.

    Returns:
        "seconds" of the whole training behind it.

    Raises:
        UserError: the snapshot is missing, or is not what the training wrote.
    """
    manifest = read_json(training)
    if problem := what_is_wrong(file, manifest["outputs"].get(file.name)):
        raise UserError(
            f"{problem}; put it back, or give `etsdm redo {training.with_name('weights.safetensors')}`: the same "
            "workflow command then trains the network from the beginning"
        )
    with atomic(out) as temporary:
        try:
            os.link(file, temporary)
        except OSError:
            shutil.copyfile(file, temporary)
    return {"seconds": manifest["result"]["seconds"]}
