"""One command in several processes: torchrun on this machine, or on each node of a SLURM job."""

import os
import socket
import sys
from uuid import uuid4


def is_launched() -> bool:
    """Whether this process is one of those that torchrun has started."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first() -> bool:
    """Whether this process speaks for all: it draws progress bars and writes manifests."""
    return os.environ.get("RANK", "0") == "0"


def on_this_machine() -> tuple[int, int]:
    """Number of this process among those of its job on this machine, and how many they are."""
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    return rank, max(rank + 1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def launch(processes: int, nodes: int) -> int:
    """Run this very command in `processes` processes on each of `nodes` nodes; return its exit code.

    The nodes are those of the SLURM job that this process runs in. This process becomes `srun` if there are several.
    """
    command = ["-m", "etsdm", *sys.argv[1:]]
    if nodes > 1:
        torchrun = [sys.executable, "-m", "torch.distributed.run", *_rendezvous(nodes, processes)]
        os.execvpe("srun", [*_srun(nodes), *torchrun, *command], _of_the_job())
    return _on_this_machine(processes, ["-u", *command])


def _of_the_job() -> dict[str, str]:
    """The environment without the variables of the job step that this process runs in: srun would stay inside it."""
    retained = {"SLURM_JOB_ID", "SLURM_CLUSTER_NAME", "SLURM_CONF"}
    return {name: value for name, value in os.environ.items() if not name.startswith("SLURM_") or name in retained}


def _srun(nodes: int) -> list[str]:
    count = str(nodes)
    return ["srun", "--overlap", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1"]


def _rendezvous(nodes: int, processes: int) -> list[str]:
    job = int(os.environ["SLURM_JOB_ID"])
    return [
        *("--nnodes", str(nodes), "--nproc-per-node", str(processes)),
        *("--rdzv-backend", "c10d", "--rdzv-id", str(job)),
        *("--rdzv-endpoint", f"{socket.gethostname()}:{20_000 + job % 20_000}"),
    ]


def _on_this_machine(processes: int, command: list[str]) -> int:
    """Run Python with the arguments `command` in several processes on this machine; return the exit code.

    `torchrun --standalone` would do the same, but it loses the exit code: 1 for every failure.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does, so that processes do not share cores
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)(*command)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode if failure.exitcode > 0 else 1
    except SignalException:
        return os.EX_TEMPFAIL
    return 0
