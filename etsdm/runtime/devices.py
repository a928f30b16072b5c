"""The device a stage computes on. Processes of one user that choose a GPU for themselves share one only if told to."""

import importlib.util
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from etsdm.errors import Interrupted, UserError
from etsdm.runtime import gpus, launch
from etsdm.runtime.locks import probe
from etsdm.runtime.stop import StopRequest

WAIT = 1.0
"""Seconds between two looks for a free device."""
GRACE = 10.0
"""Seconds for which other processes keep a mistake to themselves, so that the first one can write it down."""
_OWN: list[tuple[torch.device, FileLock | None]] = []
"""The GPU of this process, and its claim, which holds until the process ends."""


def pick_device(name: str = "auto", stop: StopRequest | None = None) -> torch.device:
    """The device called `name`: "auto" (a free GPU if there are GPUs, else the CPU), "cpu", "cuda" or "cuda:1".

    Args:
        name: of the device.
        stop: ends the wait for a free GPU.

    Raises:
        UserError: there is no such device here, or not the GPU that a scheduler gave.
        Interrupted: no GPU was free in time.
    """
    set_tf32()
    if name == "auto":
        return _own_gpu(stop or StopRequest()) if torch.cuda.is_available() else _cpu()
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        lacking = name.startswith("cuda") and not torch.cuda.is_available()
        reason = _no_gpu() if lacking else f"{str(error).splitlines()[0]}; use auto, cpu or cuda"
        raise UserError(f"device {name!r} cannot be used here: {reason}") from error
    if device.type == "cuda":
        torch.cuda.set_device(device)  # kernels of Triton's, and graphs, are launched on the current one
    return device


def warn() -> None:
    """Say so if this machine seems to have GPUs, of which PyTorch sees none."""
    if gpus.are_likely() and not gpus.assignment() and not torch.cuda.is_available():
        print(f"etsdm: warning: computing on the CPU: {_no_gpu()}", file=sys.stderr, flush=True)


def _cpu() -> torch.device:
    """The CPU, where PyTorch sees no GPU and none was given."""
    if not gpus.are_hidden() and (assignment := gpus.assignment()):
        raise _mistake(f"the scheduler gave this job a GPU ({assignment}), but {_no_gpu()}")
    if launch.is_first():
        warn()
    return torch.device("cpu")


def _no_gpu() -> str:
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    return (
        f"PyTorch {torch.__version__}, {built}, sees no GPU (driver {gpus.driver_version() or 'unknown'}); builds for "
        "CUDA 13 need driver R580 or newer; install another PyTorch (docs/gpu.md), or set ETSDM_DEVICE=cpu"
    )


def _mistake(message: str) -> UserError:
    """What all processes of a job find out at once is said, and written down, by the first."""
    if not launch.is_first():
        time.sleep(GRACE)
    return UserError(message)


def set_tf32() -> None:
    """Let GPUs round the factors of convolutions, and of nothing else, to TF32.

    These are PyTorch's defaults, set here so that none of its versions or settings can change results. TF32 keeps 10 of
    the 23 bits of a float32's mantissa: convolutions are several times as fast on tensor cores, and each product is off
    by up to 1 in 1,000, which training and sampling bear. Where differences of predictions are measured or features
    compared, `without_tf32` turns it off. A CPU has none.
    """
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = False


def without_tf32() -> AbstractContextManager[None]:
    """Inside, a GPU multiplies float32 numbers in full, for the numbers that a CPU would get but for rounding."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Inside, products of networks on `device` are in float32, in tf32 (see `set_tf32`) or in bfloat16."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return without_tf32() if precision == "float32" else nullcontext()


def can_fuse(device: torch.device) -> bool:
    """Whether `device` can run kernels that Triton compiles: with a C compiler, into a folder that can be written."""
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    compiler = shutil.which(os.environ.get("CC") or "gcc") or shutil.which("clang")
    return compiler is not None and ("TRITON_CACHE_DIR" in os.environ or _has_home())


def _has_home() -> bool:
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:
        return False


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """The array on the device; a GPU fetches it by itself, while this thread goes on."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _own_gpu(stop: StopRequest) -> torch.device:
    """The GPU that this process computes on until it ends."""
    if not _OWN:
        index, claimed = _choose(stop)
        torch.cuda.set_device(index)
        _OWN.append((torch.device("cuda", index), claimed))
    return _OWN[0][0]


def _choose(stop: StopRequest) -> tuple[int, FileLock | None]:
    """Number of a GPU, and its claim. Where a scheduler chose the GPUs, no process waits for another.

    A scheduler's word is the claim, so each process takes the GPU of its own number. Where the job has more GPUs than
    processes, other processes of the same job may want the rest, and a claim tells them which.

    Processes of one job need a GPU each, so only a job of one process takes a further place on a GPU.
    """
    rank, processes = launch.on_this_machine()
    count = torch.cuda.device_count()
    if processes > count:
        raise _mistake(
            f"{processes} processes share the GPUs of this machine, but PyTorch sees {count}; "
            f"ask for as many GPUs as processes, or give --processes {count}"
        )
    job = gpus.job()
    if job and processes == count:
        return rank, None
    uuids = [str(torch.cuda.get_device_properties(number).uuid) for number in range(count)]
    if job is None:
        return claim(uuids, writable_folder(), stop, gpus.jobs_per_gpu() if processes == 1 else 1)
    try:
        return _free(uuids, writable_folder(f"job-{job}")) or (rank, None)
    except UserError:
        return rank, None


def claims_folder() -> Path:
    """Where this user's processes on this machine claim devices.

    Raises:
        RuntimeError: this user has no home.
    """
    return _below(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"))


def writable_folder(job: str = "") -> Path:
    """The folder of claims, or, where it can't be written or has no locks, one in the user's runtime folder.

    Args:
        job: folder in it for the processes of one job.

    Raises:
        UserError: neither can be written.
    """
    try:
        return _writable(claims_folder() / job)
    except (OSError, RuntimeError) as error:
        for runtime in _runtime_folders():
            try:
                return _writable(_below(runtime) / job)
            except OSError:
                continue
        raise _unwritable(error) from error


def _below(folder: Path) -> Path:
    return folder / "etsdm" / "devices" / socket.gethostname()


def _writable(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    probe(folder)
    return folder


def _runtime_folders() -> Iterator[Path]:
    """Folders that the system has made for this user, which nobody else may enter."""
    for name in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"):
        try:
            status = Path(name).lstat() if name else None
        except OSError:
            continue
        if name and status and S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            yield Path(name)


def _unwritable(error: Exception) -> UserError:
    where = "a folder that you can write, on a file system with locks"
    return UserError(f"GPUs cannot be claimed ({error}); set XDG_CACHE_HOME to {where}")


def claim(names: Sequence[str], folder: Path, stop: StopRequest | None = None, places: int = 1) -> tuple[int, FileLock]:
    """Claim a place on the first device with the fewest claims, or wait for one.

    The claim is a lock on a file, which the operating system lifts when the process ends, however it ends.

    Args:
        names: of the devices, unique on this machine.
        folder: of the claims.
        stop: ends the wait.
        places: on each device, for as many processes.

    Returns:
        The number of the device in `names`, and the lock: the claim holds as long as it is referred to.

    Raises:
        UserError: the claim can't be written.
        Interrupted: it was time to leave before a device was free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    announced = False
    offered = _places(names, places)
    while (claimed := _free(offered, folder)) is None:
        if stop and stop.requested:
            raise Interrupted(f"all {len(names)} GPUs are still claimed, and the time is up; the same command goes on")
        if not announced:
            print(f"etsdm: all {len(names)} GPUs are claimed by other jobs; waiting for one", file=sys.stderr)
            announced = True
        time.sleep(WAIT)
    number, lock = claimed
    return number % len(names), lock


def _places(names: Sequence[str], each: int) -> list[str]:
    """Names of the places on devices: the first one on every device, then the second ones."""
    return [f"{name}-{place}" if place else name for place in range(each) for name in names]


def _free(names: Sequence[str], folder: Path) -> tuple[int, FileLock] | None:
    """Claim the first of these that nobody has claimed."""
    for number, name in enumerate(names):
        lock = FileLock(folder / f"{name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        except (OSError, NotImplementedError) as error:
            raise _unwritable(error) from error
        return number, lock
    return None
