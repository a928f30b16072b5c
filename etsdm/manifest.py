"""`manifest.json`: how a result came to be, written on the machine that made it."""

import os
import platform
import resource
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etsdm.files import sha256, write_json

PACKAGES = ("etsdm", "torch", "numpy", "clean-fid", "pillow", "snakemake")


def git_state() -> dict[str, Any]:
    """Revision of the working copy and whether it had uncommitted changes; None outside one."""

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        revision, status = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        revision = status = None
    return {"revision": revision, "dirty": None if revision is None else bool(status)}


def _device(name: str) -> str:
    torch = sys.modules.get("torch")
    if name == "cpu" or torch is None or not torch.cuda.is_available():
        return "cpu"
    return str(torch.cuda.get_device_name(None if name == "auto" else name))


@contextmanager
def manifest(path: Path, inputs: list[Path], spec: Any = None, device: str = "cpu") -> Iterator[dict[str, Any]]:
    """Write `path` when the block ends well; what the block adds to the yielded dictionary is stored in it.

    Args:
        path: the manifest file.
        inputs: files the result was made from; their SHA-256 is stored.
        spec: the resolved specification.
        device: what the stage was told to compute on.
    """
    started, clock, cpu_clock = datetime.now(UTC), time.perf_counter(), time.process_time()
    result: dict[str, Any] = {}
    yield result
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    write_json(
        path,
        {
            "command": shlex.join(["etsdm", *sys.argv[1:]]),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 3),
            "cpu_seconds": round(time.process_time() - cpu_clock, 3),
            "peak_memory_mb": peak,
            "host": socket.gethostname(),
            "cpu": platform.processor() or platform.machine(),
            "cpus": os.cpu_count(),
            "device": _device(device),
            "python": platform.python_version(),
            "packages": {name: version(name) for name in PACKAGES},
            "git": git_state(),
            "inputs": {str(file): sha256(file) for file in inputs},
            "spec": spec,
            "result": result,
        },
    )
