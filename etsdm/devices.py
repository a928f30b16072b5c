"""The device a stage computes on. Processes of one user that choose a GPU for themselves never share one."""

import importlib.util
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from etsdm.errors import UserError

WAIT = 1.0
"""Seconds between two looks for a free device."""
_HELD: list[FileLock] = []
"""The claims of this process: each holds until the process ends."""


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`: "auto" (a free GPU if there are GPUs, else the CPU), "cpu", "cuda" or "cuda:1".

    Raises:
        UserError: there is no such device here.
    """
    set_tf32()
    if name == "auto":
        return _own_gpu() if torch.cuda.is_available() else torch.device("cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); use auto, cpu or cuda"
        ) from error


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
    """Whether `device` can run kernels that Triton compiles."""
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """The array on the device; a GPU fetches it by itself, while this thread goes on."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@cache
def _own_gpu() -> torch.device:
    """The GPU that this process keeps to itself until it ends, told from others by its UUID."""
    uuids = [str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())]
    index, lock = claim(uuids, claims_folder())
    _HELD.append(lock)
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def claims_folder() -> Path:
    """Where this user's processes on this machine claim devices."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_home / "etsdm" / "devices" / socket.gethostname()


def claim(names: Sequence[str], folder: Path) -> tuple[int, FileLock]:
    """Claim the first free device, or wait for one.

    The claim is a lock on a file, which the operating system lifts when the process ends, however it ends.

    Args:
        names: of the devices, unique on this machine.
        folder: of the claims.

    Returns:
        The number of the device in `names`, and the lock: the claim holds as long as it is referred to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    said = False
    while True:
        for number, name in enumerate(names):
            lock = FileLock(folder / f"{name}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return number, lock
        if not said:
            print(f"etsdm: all {len(names)} GPUs are claimed by other jobs; waiting for one", file=sys.stderr)
            said = True
        time.sleep(WAIT)
