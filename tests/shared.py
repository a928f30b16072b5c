"""What takes long to make: one test process makes it, and all of them read it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from filelock import FileLock

FOLDER = "ETSDM_TESTS_SHARED"
"""The variable that names the folder of one run of the tests."""


def share(config: pytest.Config) -> None:
    """Make the folder of this run, which its other processes inherit; it goes with the run."""
    if hasattr(config, "workerinput"):
        return
    folder = TemporaryDirectory(prefix="etsdm-tests-")
    os.environ[FOLDER] = folder.name
    config.add_cleanup(folder.cleanup)


def shared(name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` has filled, in this process or in another one. Tests leave it as it is.

    Args:
        name: of the folder; unique among all tests.
        make: fills the folder, which is empty.
    """
    folder = Path(os.environ[FOLDER]) / name
    made = folder.with_suffix(".made")
    with FileLock(f"{folder}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            made.touch()
    return folder
