"""What a long stage has made, kept for a workflow that takes the outputs away again.

A workflow that died while its job went on does not know that the job has ended well: it removes the outputs and runs
the job once more. That job finds here what it would make, checks it, and is done. Files that a user has deleted, or
that were damaged, are put back, too. Large files are hard links beside the outputs, so they take no room.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from etsdm.runtime.digests import remembered
from etsdm.runtime.files import atomic, read_json, sha256

LONG = 60.0
"""Seconds from which on a stage is long."""
SMALL = 2**20
"""Bytes up to which a file is kept as a copy, which damage to the file itself does not reach."""


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
            _double(file, folder / file.name)
    except OSError:
        forget(manifest)


def forget(manifest: Path) -> None:
    """Remove what is kept."""
    shutil.rmtree(folder_of(manifest), ignore_errors=True)


def restore(manifest: Path, outputs: list[Path]) -> None:
    """Put back what is kept, the manifest last: by it a result is known."""
    for file in (*outputs, manifest):
        file.unlink(missing_ok=True)
        _double(folder_of(manifest) / file.name, file)


def put_back(manifest: Path) -> list[Path]:
    """Put back what was lost of a stage while the rest of it stayed; a workflow that makes it again removes it all.

    Returns:
        The files that were put back.
    """
    try:
        outputs = read_json(folder_of(manifest) / manifest.name)["outputs"]
    except (OSError, ValueError):
        return []
    files = [manifest.with_name(name) for name in outputs] + [manifest]
    telling = [file for file in (files[0], manifest) if file.exists()]  # snapshots, say, are left alone by a workflow
    if not telling or not all(_is_copy(file, folder_of(manifest) / file.name) for file in telling):
        return []
    missing = [file for file in files if not file.exists()]
    return [file for file in missing if put_back_file(manifest, file, outputs.get(file.name))]


def put_back_file(manifest: Path, file: Path, sha: str | None) -> bool:
    """Put back a file of a stage that is not there, if it was kept with this SHA-256 (None: whatever its SHA-256)."""
    copy = folder_of(manifest) / file.name
    if file.exists() or not copy.is_file() or sha not in (None, remembered(copy)):
        return False
    try:
        _double(copy, file)
    except OSError:
        return False
    return True


def _double(source: Path, target: Path) -> None:
    """Make `target` a second file of the same content and times: a copy of a small one, a link to a large one."""
    if source.stat().st_size > SMALL:
        os.link(source, target)
        return
    with atomic(target) as temporary:
        shutil.copy2(source, temporary)


def _is_copy(file: Path, copy: Path) -> bool:
    """Whether a file is the one that was kept, or a small one of the same content."""
    with suppress(OSError):
        return file.samefile(copy) or (copy.stat().st_size <= SMALL and file.read_bytes() == copy.read_bytes())
    return False


def has(manifest: Path, inputs: list[str], outputs: list[Path], spec: Any, code: str) -> bool:
    """Whether what is kept is what the stage would make, and whole.

    Args:
        manifest, outputs: the files of the stage.
        inputs: SHA-256 of the files that it reads; they must be those of the kept manifest.
        spec: the resolved specification, which must be that of the kept manifest.
        code: digest of the code, which must be that of the kept manifest; empty: nothing is taken.
    """
    folder = folder_of(manifest)
    if not code or not all((folder / file.name).is_file() for file in (*outputs, manifest)):
        return False
    recorded = read_json(folder / manifest.name)
    return (
        (recorded["code"], recorded["spec"]) == (code, spec)
        and list(recorded["inputs"].values()) == inputs
        and recorded["outputs"] == {file.name: sha256(folder / file.name) for file in outputs}
    )
