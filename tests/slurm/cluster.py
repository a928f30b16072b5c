"""A real SLURM cluster of two nodes on one machine: its daemons, with all their files in a folder of their own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

DAEMONS = ("munged", "slurmctld", "slurmd")
NODES = ("n1", "n2")
CONF = """\
ClusterName=etsdm
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmdTimeout=20
KillWait=10
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
GresTypes=gpu
MpiDefault=none
MinJobAge=300
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_interval=1
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=10000 Gres=gpu:1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=10000 Gres=gpu:1
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=10
"""
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
SYSTEM_CONF = Path("/etc/slurm/slurm.conf")
"""Where the commands of SLURM look without a variable; a job's own steps are given none."""


def missing() -> str | None:
    """Why no cluster can be started here; None if one can."""
    if SYSTEM_CONF.exists():
        return f"{SYSTEM_CONF} is there: a cluster of this machine's own is left alone"
    lacking = [name for name in DAEMONS if shutil.which(name, path=PATH) is None]
    if lacking:
        return f"{', '.join(lacking)} not installed: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "only root may start SLURM's daemons"


class Cluster:
    """The running daemons. `environment` lets a command talk to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen] = {}
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))},
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": PATH,
        }

    def start(self) -> None:
        """Start the daemons and wait until both nodes are idle."""
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        conf = CONF.format(host=socket.gethostname().split(".")[0], folder=self.folder, ports=_free_ports(3))
        (self.folder / "slurm.conf").write_text(conf)
        SYSTEM_CONF.unlink(missing_ok=True)  # left by a cluster that was killed
        SYSTEM_CONF.symlink_to(self.folder / "slurm.conf")
        (self.folder / "gres.conf").write_text(f"NodeName=n[1-2] Name=gpu File={key}\n")
        (self.folder / "state").mkdir()
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        self._run("munged", "munged", "--foreground", "--force", "--num-threads=2", *options)
        wait_until((self.folder / "munge.socket").exists, 30)
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.states() == dict.fromkeys(NODES, "idle"), 60)

    def start_controller(self) -> None:
        """Start slurmctld; after a kill, from the state it has saved."""
        self._run("slurmctld", "slurmctld", "-D")

    def start_node(self, name: str) -> None:
        """Start the slurmd of one node."""
        self._run(name, "slurmd", "-D", "-N", name)

    def kill(self, name: str) -> None:
        """Kill the controller or a node's slurmd, as if its machine had died: of a node, with every job on it."""
        if name in NODES:
            for job in self.jobs(name):
                subprocess.run(["pkill", "-KILL", "-f", f"slurmstepd: \\[{job}\\."], check=False)
                self.kill_processes(job)
        self.processes[name].kill()
        self.processes[name].wait()

    def kill_processes(self, job: str, name: str = "") -> int:
        """Kill the processes of a job whose command contains a name; return how many."""
        processes = [process for process in _processes_of(job) if name in _command_of(process)]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(processes)

    def states(self) -> dict[str, str]:
        """State of each node."""
        return dict(line.split() for line in self.ask("sinfo", "-h", "-N", "-o", "%N %t").splitlines())

    def jobs(self, node: str | None = None) -> list[str]:
        """Numbers of the running jobs, on one node or all."""
        where = ["-w", node] if node else []
        return self.ask("squeue", "-h", "-t", "R", "-o", "%i", *where).split()

    def node_of(self, job: str) -> str:
        """Where a running job runs."""
        return next(node for node in NODES if job in self.jobs(node))

    def ask(self, *command: str) -> str:
        """Output of one of SLURM's commands; empty if it fails, as while the controller is down."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def stop(self) -> None:
        """Stop every job and daemon."""
        self.ask("scancel", "--user=root")
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()
        subprocess.run(["pkill", "-KILL", "-f", "slurmstepd: \\["], check=False)
        SYSTEM_CONF.unlink(missing_ok=True)

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )


def _processes_of(job: str) -> list[int]:
    """Every process that was started in a job."""
    processes = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SLURM_JOB_ID={job}".encode() in environ.read_bytes().split(b"\0"):
                processes.append(int(environ.parent.name))
        except OSError:  # it has ended
            continue
    return processes


def _command_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:  # it has ended
        return ""


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for something to hold. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"not after {seconds} s: {holds}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster that is there for the length of the block."""
    with TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
