"""What the user, a scheduler and the driver say of GPUs. PyTorch is not asked here, nor loaded."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from etsdm.errors import UserError

DEVICE = "ETSDM_DEVICE"
"""Variable that stands for the option --device, in the jobs of a workflow above all."""
JOBS_PER_GPU = "ETSDM_JOBS_PER_GPU"
"""Variable that says how many jobs may share a GPU where no scheduler chooses."""
HIDDEN = ("", "-1", "NoDevFiles")
"""Values of CUDA_VISIBLE_DEVICES that leave no GPU; the last is SLURM's, for a job that asked for none."""
JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")
"""Variables in which schedulers give the number of a job."""
KERNEL_MODULE = Path("/proc/driver/nvidia/version")


def are_hidden() -> bool:
    """Whether CUDA_VISIBLE_DEVICES hides every GPU, which asks for the CPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible is not None and visible.split(",")[0].strip() in HIDDEN


def are_likely() -> bool:
    """Whether this machine seems to have GPUs, and nobody has asked for the CPU."""
    return os.environ.get(DEVICE) != "cpu" and not are_hidden() and shutil.which("nvidia-smi") is not None


def jobs_per_gpu() -> int:
    """How many jobs may share a GPU that no scheduler chose.

    Raises:
        UserError: the variable holds no such number.
    """
    number = os.environ.get(JOBS_PER_GPU, "1")
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", number):
        raise UserError(f"{JOBS_PER_GPU} is {number!r}, and must be a whole number from 1 to 9999")
    return int(number)


def assignment() -> str | None:
    """The words in which a scheduler says that it gave this job a GPU; None if none says so."""
    numbers, count = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS"), os.environ.get("SLURM_GPUS_ON_NODE", "")
    variables = [f"{name}={os.environ[name]}" for name in numbers if os.environ.get(name)]
    if count not in ("", "0"):
        variables.append(f"SLURM_GPUS_ON_NODE={count}")
    return variables[0] if variables else None


def job() -> str | None:
    """Number of the scheduler's job that this process is part of; None where no scheduler has chosen its GPUs."""
    number = next((os.environ[name] for name in JOBS if os.environ.get(name)), None)
    devices = assignment() or (number and os.environ.get("CUDA_VISIBLE_DEVICES"))
    return (number or "0") if devices else None


def driver_version() -> str | None:
    """Version of NVIDIA's driver; None if nothing tells it."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        text = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.partition("\n")[0]
    except (OSError, ValueError, subprocess.SubprocessError):
        text = ""
    version = re.fullmatch(r"\s*(\d+(?:\.\d+)+)\s*", text) or re.search(r"\b(\d+(?:\.\d+)+)\b", _of_the_kernel())
    return version[1] if version else None


def _of_the_kernel() -> str:
    try:
        return KERNEL_MODULE.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return ""
