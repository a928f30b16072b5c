"""Whether files are what the manifests beside them say; what is not is set aside, never deleted.

Every stage takes its inputs through here before it computes. A file that no manifest lists, a user's own, say, is
taken as it is.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from etsdm.errors import UserError
from etsdm.runtime import finished
from etsdm.runtime.digests import remembered
from etsdm.runtime.files import read_json

DAMAGED = ".damaged"
"""Added to the name of a damaged file."""
TRAINED = ("weights.safetensors", "metrics.jsonl", "manifest.json")
"""What a workflow wants of a trained network, and may not make again unless it is asked to."""

Manifest = dict[str, Any]


def digests(files: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of each of `files` that is there.

    Raises:
        UserError: one is set aside, or is now: it is not what its manifest says, or that manifest cannot be read.
    """
    files = list(files)
    for file in filter(is_set_aside, files):  # by another process, perhaps, which has just looked at it
        raise UserError(why_set_aside(file))
    return {file: checked(file) for file in files if file.is_file()}


def checked(file: Path) -> str:
    """SHA-256 of a file that is there. If it is damaged and was kept (see `finished`), it is put back.

    Raises:
        UserError: it is not what the manifest beside it says, or that manifest cannot be read. It is set aside.
    """
    for beside in (file.with_name("manifest.json"), file.with_name(f"{file.stem}.manifest.json")):
        if is_unreadable(beside):
            _lost_manifest(beside)
    digest, path = remembered(file), manifest_of(file)
    manifest = read_manifest(path) if path else None
    if path is None or manifest is None or manifest["outputs"][file.name] == digest:
        return digest
    right: str = manifest["outputs"][file.name]
    aside = _set_aside(file)
    message = f"{file}: damaged: its SHA-256 is {digest}, and {path.name} says {right}. {aside}"
    if finished.put_back_file(path, file, right):
        print(f"etsdm: {message} A whole one was kept, and is put back.", file=sys.stderr)
        return right
    raise UserError(f"{message} {_what_to_do(file, manifest)}")


def is_whole(file: Path) -> bool:
    """Whether a file is there and not damaged; a damaged one is set aside, which is said on stderr."""
    try:
        return bool(digests([file]))
    except UserError as error:
        print(f"etsdm: {error}", file=sys.stderr)
        return False


def why_damaged(folder: Path) -> str | None:
    """That a file of a folder was damaged and has not been made again; None if there is none."""
    files = (aside.with_suffix("") for aside in sorted(folder.glob(f"*{DAMAGED}")))
    return next((why_set_aside(file) for file in files if is_set_aside(file)), None)


def is_set_aside(file: Path) -> bool:
    """Whether a file was damaged, and nobody has made it again or asked for that."""
    return not file.exists() and _aside(file, file.name).exists()


def why_set_aside(file: Path) -> str:
    """What happened to a file that is set aside."""
    return f"{file}: was damaged, and is now {file.name}{DAMAGED}; the workflow command makes it again, or says how"


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at `path`; None if it is missing, damaged, or somebody else's file of that name."""
    try:
        manifest = read_json(path)
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and isinstance(manifest.get("outputs", {}), dict) else None


def is_unreadable(path: Path) -> bool:
    """Whether a manifest is there and no JSON."""
    try:
        read_json(path)
    except ValueError:
        return True
    except OSError:
        pass
    return False


def manifest_of(file: Path) -> Path | None:
    """The manifest beside a file that lists it among its outputs."""
    for path in sorted(file.parent.glob("*manifest.json")):
        manifest = read_manifest(path)
        if manifest and file.name in manifest.get("outputs", {}):
            return path
    return None


def before_a_workflow(runs: Iterable[Path], data: Iterable[Path], networks: Iterable[Path]) -> list[str]:
    """Put back what is lost and was kept, and look at what would make a workflow train again.

    These are the descriptions of data sets, and weights that have changed after their manifest was written.

    Args:
        runs: folders of all results.
        data: folders of data sets.
        networks: folders of trained networks.

    Returns:
        What is wrong: files that are damaged, and damaged networks that nobody has asked to be trained again.
    """
    problems: list[str] = []
    for manifest in (folder / "manifest.json" for folder in runs):
        for file in finished.put_back(manifest):
            print(f"etsdm: {file}: was lost; what was kept is put back", file=sys.stderr)
    suspects = [folder / name for folder in data for name in ("dataset.json", "images.digest")]
    suspects += [folder / "weights.safetensors" for folder in networks if _changed(folder / "weights.safetensors")]
    waiting = [folder / name for folder in networks for name in TRAINED if is_set_aside(folder / name)]
    for file in suspects:
        try:
            digests([file])
        except UserError as error:
            problems.append(str(error))
    problems += map(_not_again, waiting)
    return problems


def redo(file: Path) -> Path:
    """Have the next workflow make `file` again, and all that its stage makes, even a trained network.

    What is kept of the stage is forgotten, and its manifest is removed, by whose absence the workflow knows.

    Returns:
        The manifest.

    Raises:
        UserError: no manifest tells how the file was made.
    """
    file = file.with_suffix("") if file.suffix == DAMAGED else file
    manifest = manifest_of(file) or file.with_name("manifest.json")
    recorded = read_manifest(manifest) or {"outputs": {}}
    asides = [aside for name in {*recorded["outputs"], *TRAINED, file.name} if (aside := _aside(file, name)).exists()]
    if file.name not in recorded["outputs"] and not asides:
        raise UserError(f"{file}: no manifest beside it says how it was made, so it cannot be made again")
    finished.forget(manifest)
    for aside in asides:
        aside.rename(_free(aside))
    manifest.unlink(missing_ok=True)
    return manifest


def _lost_manifest(path: Path) -> None:
    message = f"{path}: damaged: it is no JSON. {_set_aside(path)}"
    if path not in finished.put_back(path):
        raise UserError(f"{message} The same workflow command makes it again, or says how.")
    print(f"etsdm: {message} A whole one was kept, and is put back.", file=sys.stderr)


def _changed(file: Path) -> bool:
    """Whether a file has changed after the manifest was written, which is written last."""
    manifest = file.with_name("manifest.json")
    return file.exists() and manifest.exists() and file.stat().st_mtime_ns > manifest.stat().st_mtime_ns


def _not_again(file: Path) -> str:
    manifest = read_manifest(file.with_name("manifest.json")) or {}
    return f"{file}: was damaged, and is now {file.name}{DAMAGED}. {_of_a_network(file, manifest)}"


def _set_aside(file: Path) -> str:
    """Rename a damaged file, and say so."""
    aside = _aside(file, file.name)
    aside = _free(aside) if aside.exists() else aside
    try:
        file.rename(aside)
    except FileNotFoundError:  # another process has just done so
        return f"It is now {aside.name}."
    except OSError as error:
        return f"It cannot be renamed ({error.strerror})."
    return f"It is now {aside.name}."


def _aside(file: Path, name: str) -> Path:
    return file.with_name(name + DAMAGED)


def _free(aside: Path) -> Path:
    """The first name with a number that no file has."""
    number = 1
    while (free := aside.with_name(f"{aside.name}.{number}")).exists():
        number += 1
    return free


def _what_to_do(file: Path, manifest: Manifest) -> str:
    spec = manifest.get("spec") or {}
    of_a_network = "training" in spec and "snapshot" not in spec  # a model of a snapshot is taken again, not trained
    return _of_a_network(file, manifest) if of_a_network else "The same workflow command makes it again."


def _of_a_network(file: Path, manifest: Manifest) -> str:
    seconds = (manifest.get("result") or {}).get("seconds")
    took = f", which took {seconds:,.0f} s" if seconds else ""
    return (
        f"Put a whole copy back, or give `etsdm redo {file}`, so that the network is trained again{took}. "
        "Then give the workflow command again."
    )
