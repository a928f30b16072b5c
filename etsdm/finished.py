"""What a long stage has made, kept for a workflow that takes the outputs away again.

A workflow that died while its job went on does not know that the job has ended well: it removes the outputs and runs
the job once more. That job finds here what it would make, checks it, and is done. The files are hard links beside the
outputs, so they take no room.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from etsdm.files import read_json, sha256

LONG = 60.0
"""Seconds from which on a stage is long."""


def folder_of(manifest: Path) -> Path:
    """Folder of what is kept of the stage with this manifest."""
    return manifest.with_name(f".{manifest.stem}.finished")


def keep(manifest: Path, outputs: list[Path]) -> None:
    """Keep a stage's manifest and outputs. Where the file system has no hard links, nothing is kept."""
    folder = folder_of(manifest)
    forget(manifest)
    folder.mkdir()
    try:
        for file in (*outputs, manifest):
            os.link(file, folder / file.name)
    except OSError:
        forget(manifest)


def forget(manifest: Path) -> None:
    """Remove what is kept."""
    shutil.rmtree(folder_of(manifest), ignore_errors=True)


def restore(manifest: Path, outputs: list[Path]) -> None:
    """Put back what is kept, the manifest last: by it a result is known."""
    for file in (*outputs, manifest):
        file.unlink(missing_ok=True)
        os.link(folder_of(manifest) / file.name, file)


def has(manifest: Path, inputs: list[Path], outputs: list[Path], spec: Any, code: str) -> bool:
    """Whether what is kept is what the stage would make, and whole.

    Args:
        manifest, outputs: the files of the stage.
        inputs: files that it reads; they must be those of the kept manifest.
        spec: the resolved specification, which must be that of the kept manifest.
        code: digest of the code, which must be that of the kept manifest; empty: nothing is kept.
    """
    folder = folder_of(manifest)
    if not code or not all((folder / file.name).is_file() for file in (*outputs, manifest)):
        return False
    told = read_json(folder / manifest.name)
    return (
        (told["code"], told["spec"]) == (code, spec)
        and list(told["inputs"].values()) == [sha256(file) for file in inputs]
        and told["outputs"] == {file.name: sha256(folder / file.name) for file in outputs}
    )
