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
    indent, found = "  " * depth, _found(file, near)
    if found is None:
        manifest = _found(file.with_name("manifest.json"), near) if file.name == PASSING else None
        made = read_json(manifest) if manifest else {"outputs": {}}
        if manifest is None or made["outputs"].get(file.name) != recorded:
            yield f"{indent}{file}  MISSING", False
            return
        yield f"{indent}{file}  {str(recorded)[:SHORT]}, not kept", True
        yield from _behind(made, manifest, depth, shown)
        return
    digest = sha256(found)
    same = recorded in (None, digest)
    changed = "" if same else f"  CHANGED: it was {str(recorded)[:SHORT]} then"
    made = _manifest_of(found)
    if found in shown:
        yield f"{indent}{file}  {digest[:SHORT]}{changed}  (see above)", same
        return
    shown.add(found)
    itself = made is None or made["outputs"][found.name] == digest
    edited = "" if itself else "  CHANGED since it was made"
    yield f"{indent}{file}  {digest[:SHORT]}{changed}{edited}", same and itself
    if made is None:
        for path in filter(is_unreadable, sorted(found.parent.glob("*manifest.json"))):
            yield f"{indent}  {path}  CANNOT BE READ", False
        yield f"{indent}  no manifest beside it: where it comes from is not known", True
        return
    yield from _behind(made, found, depth, shown)


def _behind(made: dict[str, Any], beside: Path, depth: int, shown: set[Path]) -> Iterator[tuple[str, bool]]:
    """How a file was made, and from what."""
    indent = "  " * depth
    yield f"{indent}  {_how(made, indent)}", True
    if beside.name != DESCRIPTION and DESCRIPTION in made["outputs"]:
        yield _described(beside.with_name(DESCRIPTION), made["outputs"][DESCRIPTION], indent)
    for name, then in made["inputs"].items():
        yield from _chain(Path(name), beside.parent, then, depth + 1, shown)
    if not made["inputs"]:
        yield f"{indent}  from {_origin(made['spec'])}", True


def _described(description: Path, recorded: str, indent: str) -> tuple[str, bool]:
    """The line on the description of a data set, and whether it is what it was."""
    if not description.is_file():
        return f"{indent}  with {DESCRIPTION}  MISSING", False
    digest = sha256(description)
    edited = "" if digest == recorded else "  CHANGED since it was made"
    return f"{indent}  with {DESCRIPTION}  {digest[:SHORT]}{edited}", digest == recorded


def _found(file: Path, near: Path) -> Path | None:
    """The file, its path being relative to here, to `near` or to a folder above it."""
    places = [Path(), near.resolve(), *near.resolve().parents]
    return next((place / file for place in places if (place / file).is_file()), None)


def _manifest_of(file: Path) -> dict[str, Any] | None:
    path = manifest_of(file)
    return read_manifest(path) if path else None


def _how(made: dict[str, Any], indent: str) -> str:
    git = made["git"]
    revision = f"git {git['revision'][:SHORT]}{', edited' if git['dirty'] else ''}" if git["revision"] else "no git"
    attempts = f", in {len(made['attempts'])} attempts" if len(made["attempts"]) > 1 else ""
    return (
        f"{made['command']}\n"
        f"{indent}  on {made['host'] or 'a machine'} ({made['device']}), {made['started']}, {made['seconds']:g} s"
        f"{attempts}; etsdm {made['packages']['etsdm']}, torch {made['packages']['torch']}, {revision}"
    )


def _origin(spec: dict[str, Any] | None) -> str:
    """What a result without input files was made from."""
    if spec and "source" in spec:
        return f"{spec['source']} {spec.get('path') or spec.get('bundle')}"
    return "its specification alone"
