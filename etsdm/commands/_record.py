"""What a command does besides its work: write a manifest, name its code, watch its time and print what it wrote."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click

from etsdm import fingerprint
from etsdm.commands._specification import Specification
from etsdm.errors import AlreadyMade
from etsdm.runtime import finished, intact, launch
from etsdm.runtime.files import write_json
from etsdm.runtime.manifest import SPEC_FILE, manifest
from etsdm.runtime.stop import StopRequest


def job() -> dict[str, Any]:
    """What the workflow says about the job: the options before the command's name."""
    return click.get_current_context().find_root().params


def code_of(stage: str, *loaded: str) -> str:
    """The code that a stage runs: as the workflow notes it, or as it is now.

    Args:
        stage, loaded: see `fingerprint.code`.
    """
    return job()["code"] or fingerprint.code(stage, *loaded)


def sampling_code(stage: str, spec: dict[str, Any]) -> str:
    """The code that draws images by the solver of `spec`, for a network of any method."""
    from etsdm.diffusion.make import all_modules
    from etsdm.solvers import SOLVERS

    return code_of(stage, SOLVERS.module(spec["solver"]["name"]), *all_modules())


def time_limit() -> StopRequest:
    """The request to stop that comes when the job's time is nearly over."""
    return StopRequest(job()["minutes"])


def manifest_of(out: Path) -> Path:
    """Path of the manifest of a file that shares its folder with others."""
    return out.with_name(f"{out.stem}.manifest.json")


def recorded(
    path: Path,
    inputs: list[Path],
    outputs: list[Path],
    spec: Specification | dict[str, Any] | None = None,
    device: str = "cpu",
    *progress: Path,
    code: str = "",
    reusable: bool = True,
) -> AbstractContextManager[dict[str, Any]]:
    """Write the manifest of a stage, and `spec.json` beside it if its specification is in no file yet.

    Of several processes that share the stage, the first writes.

    Args:
        path: of the manifest.
        inputs, outputs, device, progress, code, reusable: see `manifest`.
        spec: specification of the stage.

    Raises:
        AlreadyMade: the outputs were kept, and the first process restores them.
    """
    values = spec.values if isinstance(spec, Specification) else spec
    if not launch.is_first():
        is_kept = reusable and finished.folder_of(path).exists()
        if is_kept and finished.has(path, list(intact.digests(inputs).values()), outputs, values, code):
            raise AlreadyMade(f"{path}: the first process restores it")
        return nullcontext({})
    if isinstance(spec, Specification) and spec.file is None:
        write_json(path.with_name(SPEC_FILE), spec.values)
    return manifest(path, inputs, outputs, values, device, job()["attempt"], progress, code, reusable)


def say(*lines: object) -> None:
    """Print lines, from the first process only."""
    if launch.is_first():
        for line in lines:
            click.echo(line)
