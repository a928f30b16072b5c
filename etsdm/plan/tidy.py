"""What may go when a workflow has ended: decoded images whose archive is gone, and what `keep` does not ask for."""

from collections.abc import Iterable
from pathlib import Path

from etsdm.plan.plan import Plan


def drop_orphans(results: Path, data: Iterable[str]) -> None:
    """Remove the decoded images of archives that are not there.

    Args:
        results: root of the results.
        data: folders of data sets, relative to it.
    """
    for folder in (results / path for path in data):
        if not (folder / "images.zip").exists():
            _drop_maps(folder)


def tidy(results: Path, plan: Plan, done: bool) -> None:
    """Remove what the configuration does not ask to keep. None of it is an output of a rule: nothing runs again.

    Args:
        results: root of the results.
        plan: whose results these are.
        done: whether all jobs have ended well; the decoded images stay until then.
    """
    if not plan.config.keep.logs:
        for measurement in plan.measurements:
            if measurement.kind in ("distance", "restoration") and (results / measurement.file).exists():
                for folder in {(results / measurement.file).parent, results / measurement.run.path}:
                    _drop(folder, "*.log")
    if done and not plan.config.keep.maps:
        for path in plan.data:
            _drop_maps(results / path)


def _drop_maps(folder: Path) -> None:
    _drop(folder, ".images.zip.*.npy")


def _drop(folder: Path, pattern: str) -> None:
    for file in folder.glob(pattern):
        file.unlink(missing_ok=True)
