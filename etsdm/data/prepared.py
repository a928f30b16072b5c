"""What is known of a data set that has been prepared: whether its source is still the same, or at least was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etsdm import fingerprint
from etsdm.data import sources
from etsdm.data.originals import Overview
from etsdm.runtime.files import read_json
from etsdm.runtime.intact import read_manifest

FILES = ("images.zip", "dataset.json", "images.digest")
"""What is made of a data set."""
OUTPUTS = (*FILES, "manifest.json")
"""All that its job leaves."""


def is_whole(folder: Path) -> bool:
    """Whether all files of a prepared data set are in its folder, and its manifest can be read."""
    return all((folder / name).is_file() for name in FILES) and bool(read_manifest(folder / "manifest.json"))


def known_by(folder: Path, spec: dict[str, Any]) -> str | None:
    """What a source is known by: its fingerprint, or, where the source is gone, that of the time of its preparation.

    Args:
        folder: of the prepared data set.
        spec: its specification.

    Returns:
        None for a bundle, and for a source that is not there and was never prepared.
    """
    current = sources.fingerprint(spec)
    return _recorded(folder)["result"].get("source") if current is None and is_whole(folder) else current


def is_outdated(folder: Path, spec: dict[str, Any]) -> bool:
    """Whether a data set that was prepared has to be prepared again: its source, settings or code have changed.

    A file of it that is missing is a reason, too. A data set that never was prepared is not outdated, nor is one whose
    source is gone.
    """
    if not is_whole(folder):
        return any((folder / name).exists() for name in FILES)
    if serves(folder, spec):
        return False
    before = _recorded(folder)
    return (before["code"], before["spec"], before["result"].get("source")) != (
        fingerprint.code("prepare", sources.module(spec)),
        spec,
        known_by(folder, spec),
    )


def is_gone(spec: dict[str, Any]) -> bool:
    """Whether the source of a data set is not there, or cannot be read."""
    return sources.of(spec).outside and sources.fingerprint(spec) is None


def serves(folder: Path, spec: dict[str, Any]) -> bool:
    """Whether a prepared data set stands in for its source, which was what `spec` says and is gone."""
    return is_whole(folder) and _recorded(folder)["spec"] == spec and is_gone(spec)


def code(folder: Path, spec: dict[str, Any]) -> str | None:
    """The code that made a data set that serves; None for any other, which today's code makes."""
    return str(_recorded(folder)["code"]) if serves(folder, spec) else None


def overview(specs: dict[Path, dict[str, Any]]) -> Overview | None:
    """What the archives hold of a data set whose source is gone.

    Args:
        specs: its specification at each resolution, by the folder in which it was prepared.

    Returns:
        None if the source is there, or an archive is not.
    """
    if not specs or not all(serves(folder, spec) for folder, spec in specs.items()):
        return None
    folder, spec = next(iter(specs.items()))
    description = read_json(folder / "dataset.json")
    remark = f"no source at {spec['path']!r} any more; the images that were prepared from it serve: {folder}"
    return Overview(description["count"], description["labels"] is not None, (remark,))


def _recorded(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = read_json(folder / "manifest.json")
    return manifest
