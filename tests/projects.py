"""A copy of the project in which real Snakemake runs."""

import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path

from etsdm.fingerprint import ROOT

TOOLS = Path(sys.executable).parent
PLAN = {"inventory": 1}
"""The jobs that planning takes."""
REPORT = {"rows": 1, "tables": 1, "figure": 7, "page": 1, "all": 1}
"""The jobs that reporting takes."""
ONE_TRAINING = {
    "training.images": 12_800,
    "experiments": {"lipschitz": {"datasets": ["digits"], "methods": ["ddpm"], "images": 8}},
}
"""What makes one training of some seconds of the tiny benchmark."""


def copy_project(folder: Path) -> None:
    """Copy what a workflow needs to `folder`."""
    for part in ("etsdm", "workflow", "config"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("Snakefile", "requirements.lock"):
        shutil.copy(ROOT / part, folder / part)
    (folder / "profiles").symlink_to("workflow/profiles")


def without_times_and_records(project: "Project") -> None:
    """As after a copy that keeps no times, into a new clone."""
    shutil.rmtree(project.folder / ".snakemake")
    files = [path.relative_to(project.folder) for path in project.folder.glob("results/**/*") if path.is_file()]
    for second, file in enumerate(sorted(files, key=lambda file: sha256(str(file).encode()).hexdigest())):
        os.utime(project.folder / file, (1_700_000_000 + second, 1_700_000_000 + second))


class Project:
    """A copy of the project with results of its own.

    Args:
        folder: where it is.
        config: its configuration, in config/.
        environment: of the commands run in it, beside what they need to find the copy.
    """

    def __init__(self, folder: Path, config: str = "tiny.yaml", environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.config = folder / "config" / config
        self.started: list[subprocess.Popen] = []
        variables = dict(os.environ) if environment is None else environment
        self.environment = variables | {
            "PATH": f"{TOOLS}{os.pathsep}{variables['PATH']}",
            "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'workflow' / 'logger'}",
            "OMP_NUM_THREADS": "1",
        }

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run("snakemake", "--configfile", str(self.config), "--cores", "2", *arguments)

    def run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess:
        command = [str(TOOLS / tool), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def make(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run make, which takes the environment that is there for installed."""
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder)
        if not (self.folder / "venv").exists():
            (self.folder / "venv").mkdir()
            (self.folder / "venv" / "bin").symlink_to(TOOLS)
        (self.folder / "venv" / ".installed").touch()
        command = ["make", "VENV=venv", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def start(self, tool: str, *arguments: str) -> subprocess.Popen:
        """Start a command, in a process group of its own, that writes to `<tool>.out`.

        It hears SIGINT even if these tests run in the background of a script, where the shell has it ignored.
        """
        with (self.folder / f"{tool}.out").open("a") as out:
            command = [str(TOOLS / tool), *arguments]
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )
        self.started.append(process)
        return process

    def stop(self) -> None:
        """Kill what was started and is still running, with the jobs of its process group."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def would_run(self) -> dict[str, int]:
        """Jobs by rule of a dry run."""
        done = self.snakemake("--dry-run")
        assert done.returncode == 0, done.stdout + done.stderr
        table = (done.stdout + done.stderr).partition("Job stats:")[2].partition("total")[0]
        return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}

    def file_count(self) -> int:
        """Number of files in results/ but the report's."""
        files = (
            path.relative_to(self.folder / "results") for path in self.folder.glob("results/**/*") if path.is_file()
        )
        return sum(path.parts[0] not in ("reports", ".workflows") for path in files)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
