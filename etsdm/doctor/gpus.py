"""GPUs: the driver, what PyTorch sees, what they compute in, and the kernels that are compiled for them."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from etsdm.doctor._line import Case, Line
from etsdm.errors import UserError
from etsdm.runtime import gpus

if TYPE_CHECKING:
    import torch

ORDER = 30


def are_wanted() -> bool:
    """Whether nobody has asked for the CPU, by a variable."""
    return os.environ.get(gpus.DEVICE) != "cpu" and not gpus.are_hidden()


def lines(case: Case) -> Iterator[Line]:
    """The driver and the GPUs; where there are some, their numbers and their compiler, too."""
    import torch

    driver = gpus.driver_version()
    yield Line("driver", "fine", driver) if driver else Line("driver", "no matter", "none of NVIDIA's that can be seen")
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    yield Line("CUDA", "fine" if torch.version.cuda else "no matter", f"PyTorch is {built}")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield _seen(torch.cuda.get_device_properties(number), number)
        yield from _precisions()
        yield _compiler(torch.device("cuda"))
    else:
        yield _unseen(driver)


def _seen(gpu: "torch._C._CudaDeviceProperties", number: int) -> Line:
    return Line(f"GPU {number}", "fine", f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB")


def _unseen(driver: str | None) -> Line:
    if not are_wanted():
        return Line("GPU", "no matter", "not wanted: ETSDM_DEVICE or CUDA_VISIBLE_DEVICES asks for the CPU")
    if driver is None and gpus.assignment() is None:
        return Line("GPU", "no matter", "none; the CPU computes")
    return Line("GPU", "missing", _why_not(), "docs/gpu.md")


def _why_not() -> str:
    """What a job would say that wants a GPU."""
    from etsdm.runtime.devices import pick_device

    try:
        return f"there is one now: {pick_device('cuda')}"
    except UserError as error:
        return str(error)


def _precisions() -> Iterator[Line]:
    import torch

    if torch.cuda.is_bf16_supported(including_emulation=False):
        yield Line("bfloat16", "fine", "this GPU computes in it")
    else:
        yield Line("bfloat16", "no matter", "this GPU has none; trainings in it compute in float32")
    if torch.cuda.get_device_capability() >= (8, 0):
        yield Line("TF32", "fine", "convolutions take it, but for probes and features")
    else:
        yield Line("TF32", "no matter", "this GPU has none; convolutions are slower, and exact")


def _compiler(device: "torch.device") -> Line:
    from etsdm.runtime.devices import can_fuse

    if can_fuse(device):
        return Line("compiler", "fine", "kernels can be compiled by Triton and a C compiler")
    return Line(
        "compiler",
        "no matter",
        "no kernels can be compiled; PyTorch's own compute, more slowly",
        "apt install gcc; Triton and a home folder that can be written are needed, too",
    )
