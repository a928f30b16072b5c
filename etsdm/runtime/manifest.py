"""`manifest.json`: how a result came to be, written on the machine that made it."""

import os
import platform
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from etsdm.errors import AlreadyMade
from etsdm.runtime import finished, intact
from etsdm.runtime.attempts import Attempts, file_of
from etsdm.runtime.digests import remembered
from etsdm.runtime.files import write_json
from etsdm.runtime.gpus import driver_version
from etsdm.runtime.places import host, relative, without_places

SPEC_FILE = "spec.json"
"""Name of the file with a specification that a command was given, beside the manifest."""
PACKAGES = ("etsdm", "torch", "numpy", "clean-fid", "pillow", "snakemake")


def git_state(package: Path = Path(__file__).parents[1]) -> dict[str, Any]:
    """Revision of the working copy and whether the package had uncommitted changes; None outside one.

    An edited configuration or page is no edited code.
    """

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(package), *arguments]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        return process.stdout.strip() if process.returncode == 0 else None

    try:
        revision, status = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no", "--", ".")
    except FileNotFoundError:
        revision = status = None
    return {"revision": revision, "dirty": None if revision is None else bool(status)}


def cpu_name() -> str:
    """Model of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _device(name: str) -> dict[str, Any]:
    """What the stage computed on, and how much of its memory it took at most."""
    torch = sys.modules.get("torch")
    if name == "cpu" or torch is None or not torch.cuda.is_initialized():
        return {"device": "cpu"}
    return {
        "device": torch.cuda.get_device_name(),
        "driver": driver_version(),
        "peak_gpu_memory_mb": torch.cuda.max_memory_allocated() // 2**20,
    }


@contextmanager
def manifest(
    path: Path,
    inputs: list[Path],
    outputs: list[Path],
    spec: Any = None,
    device: str = "cpu",
    attempt: int = 1,
    progress: tuple[Path, ...] = (),
    code: str = "",
    reusable: bool = True,
) -> Iterator[dict[str, Any]]:
    """Write `path` when the block ends well; what the block adds to the yielded dictionary is stored in it.

    A manifest is made to be shared: absolute paths are those of its specification alone, and hosts have no name (see
    `etsdm.runtime.places`).

    Until then, `.<name>.attempts.jsonl` beside it keeps the attempts, which become part of it. Afterwards `progress` is
    removed. What a long stage has made, or one from which all others start, is kept (see `finished`).

    Args:
        path: the manifest file.
        inputs: files the result is made from; their SHA-256 is checked before the block (see `intact`) and stored.
        outputs: files that the block makes; their SHA-256 is stored.
        spec: the resolved specification.
        device: what the stage was told to compute on.
        attempt: see `Attempts.recorded`.
        progress: see `Attempts`.
        code: the code that decides the result, as `fingerprint.code` notes it.
        reusable: whether what is kept may replace the block: if inputs, specification and code decide the result.

    Raises:
        UserError: an earlier attempt has shown that this one would fail, or an input is damaged.
        AlreadyMade: another process has made the result in the meantime, or it was made and taken away.
    """
    attempts = Attempts(file_of(path), path, *progress)
    started, clock, cpu_clock = datetime.now(UTC), time.perf_counter(), time.process_time()
    result: dict[str, Any] = {}
    with attempts.recorded(attempt):
        read = intact.digests(inputs)
        if reusable and finished.has(path, list(read.values()), outputs, spec, code):
            finished.restore(path, outputs)
            raise AlreadyMade(f"{path}: made before and taken away; its files are put back, checked")
        if not (reusable and code):
            finished.forget(path)  # it would not be taken, and can be large
        yield result
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        write_json(
            path,
            {
                "command": without_places(shlex.join(["etsdm", *_arguments(path)])),
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - clock, 3),
                "cpu_seconds": round(time.process_time() - cpu_clock, 3),
                "peak_memory_mb": peak,
                "host": host(),
                "cpu": cpu_name(),
                "cpus": os.cpu_count(),
                "processes": int(os.environ.get("WORLD_SIZE", "1")),
                **_device(device),
                "python": platform.python_version(),
                "packages": {name: version(name) for name in PACKAGES},
                "git": git_state(),
                "inputs": {relative(file, path): read.get(file) or remembered(file) for file in inputs},
                "outputs": {file.name: remembered(file) for file in outputs},
                "code": code,
                "spec": spec,
                "result": without_places(result),
                "attempts": [_entry(attempt) for attempt in attempts.history()],
            },
        )
        took = max(time.perf_counter() - clock, result.get("seconds", 0))  # of all attempts, where it is told
        if outputs and ((reusable and took >= finished.LONG) or not inputs):
            finished.keep(path, outputs)
        for folder in progress:
            shutil.rmtree(folder, ignore_errors=True)


def _arguments(path: Path) -> list[str]:
    """The command's arguments, with the file of its specification instead of its content."""
    spec = str(path.with_name(SPEC_FILE))
    return [spec if before == "--spec" and word.startswith("{") else word for before, word in pairwise(sys.argv)]


def _entry(attempt: dict[str, Any]) -> dict[str, Any]:
    entry = {key: attempt.get(key) for key in ("started", "ended", "host", "job", "exit", "message")}
    return without_places(entry | ({} if host() else {"host": None}))
