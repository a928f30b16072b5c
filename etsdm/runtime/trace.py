"""How a result came to be: the chain of manifests from it back to the images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etsdm.errors import UserError
from etsdm.runtime.files import read_json, sha256
from etsdm.runtime.intact import is_unreadable, manifest_of, read_manifest

PASSING = "samples.zip"
"""Archives that a configuration need not keep (`keep.samples`)."""
SHORT = 12
"""Digits of a digest shown."""
DESCRIPTION = "dataset.json"
"""What lies beside the images of a data set and says what they are: their labels, and the digest of their pixels."""


def trace(file: Path) -> Iterator[tuple[str, bool]]:
    """Lines that tell how `file` was made, then how each file it was made from was, and so on; indented by depth.

    Each comes with whether it holds: False where a file is missing, or is not what the manifest says it was.

    Raises:
        UserError: there is no such file.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; give a result, results/samples/.../scores.json for one")
    yield from _chain(file, file.parent, None, 0, set())


def _chain(file: Path, near: Path, recorded: str | None, depth: int, shown: set[Path]) -> Iterator[tuple[str, bool]]:
    indent, located = "  " * depth, _located(file, near)
    if located is None:
        manifest = _located(file.with_name("manifest.json"), near) if file.name == PASSING else None
        record = read_json(manifest) if manifest else {"outputs": {}}
        if manifest is None or record["outputs"].get(file.name) != recorded:
            yield f"{indent}{file}  MISSING", False
            return
        yield f"{indent}{file}  {str(recorded)[:SHORT]}, not kept", True
        yield from _behind(record, manifest, depth, shown)
        return
    digest = sha256(located)
    unchanged = recorded in (None, digest)
    changed = "" if unchanged else f"  CHANGED: it was {str(recorded)[:SHORT]} then"
    record = _manifest_of(located)
    if located in shown:
        yield f"{indent}{file}  {digest[:SHORT]}{changed}  (see above)", unchanged
        return
    shown.add(located)
    itself = record is None or record["outputs"][located.name] == digest
    edited = "" if itself else "  CHANGED since it was made"
    yield f"{indent}{file}  {digest[:SHORT]}{changed}{edited}", unchanged and itself
    if record is None:
        for path in filter(is_unreadable, sorted(located.parent.glob("*manifest.json"))):
            yield f"{indent}  {path}  CANNOT BE READ", False
        yield f"{indent}  no manifest beside it: where it comes from is not known", True
        return
    yield from _behind(record, located, depth, shown)


def _behind(record: dict[str, Any], beside: Path, depth: int, shown: set[Path]) -> Iterator[tuple[str, bool]]:
    """How a file was made, and from what."""
    indent = "  " * depth
    yield f"{indent}  {_how(record, indent)}", True
    if beside.name != DESCRIPTION and DESCRIPTION in record["outputs"]:
        yield _described(beside.with_name(DESCRIPTION), record["outputs"][DESCRIPTION], indent)
    for name, digest in record["inputs"].items():
        yield from _chain(Path(name), beside.parent, digest, depth + 1, shown)
    if not record["inputs"]:
        yield f"{indent}  from {_origin(record['spec'])}", True


def _described(description: Path, recorded: str, indent: str) -> tuple[str, bool]:
    """The line on the description of a data set, and whether it is what it was."""
    if not description.is_file():
        return f"{indent}  with {DESCRIPTION}  MISSING", False
    digest = sha256(description)
    edited = "" if digest == recorded else "  CHANGED since it was made"
    return f"{indent}  with {DESCRIPTION}  {digest[:SHORT]}{edited}", digest == recorded


def _located(file: Path, near: Path) -> Path | None:
    """The file, its path being relative to here, to `near` or to a folder above it."""
    places = [Path(), near.resolve(), *near.resolve().parents]
    return next((place / file for place in places if (place / file).is_file()), None)


def _manifest_of(file: Path) -> dict[str, Any] | None:
    path = manifest_of(file)
    return read_manifest(path) if path else None


def _how(run: dict[str, Any], indent: str) -> str:
    git = run["git"]
    revision = f"git {git['revision'][:SHORT]}{', edited' if git['dirty'] else ''}" if git["revision"] else "no git"
    attempts = f", in {len(run['attempts'])} attempts" if len(run["attempts"]) > 1 else ""
    return (
        f"{run['command']}\n"
        f"{indent}  on {run['host'] or 'a machine'} ({run['device']}), {run['started']}, {run['seconds']:g} s"
        f"{attempts}; etsdm {run['packages']['etsdm']}, torch {run['packages']['torch']}, {revision}"
    )


def _origin(spec: dict[str, Any] | None) -> str:
    """What a result without input files was made from."""
    if spec and "source" in spec:
        return f"{spec['source']} {spec.get('path') or spec.get('bundle')}"
    return "its specification alone"
