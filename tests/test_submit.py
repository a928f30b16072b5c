"""The jobs in which `make submit` runs Snakemake: what follows each of them, with stand-ins for SLURM and make."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from etsdm.fingerprint import ROOT

COMMANDS = {
    "sbatch": 'echo "sbatch $*" >> calls; test -z "$FAKE_REFUSAL" || exit 1; echo "12;cluster"',
    "squeue": "cat queue 2> /dev/null; rm -f queue; exit 0",
    "scancel": 'echo "scancel $*" >> calls',
    "make": 'echo "make $*" >> calls; eval "$FAKE_DO"',
    "sleep": "true",
}
FAILS = ': > "$ETSDM_ENDED"; exit 2'
IS_KILLED = "exit 2"


class Submitted:
    """A folder with the script and the stand-ins, which note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "results" / "drivers").mkdir(parents=True)
        (folder / "workflow").mkdir()
        shutil.copy(ROOT / "workflow" / "submit.sh", folder / "workflow")
        for name, body in COMMANDS.items():
            (folder / "bin" / name).write_text(f"#!/bin/bash\n{body}\n")
            (folder / "bin" / name).chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        env = os.environ | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "11"} | environment
        (self.folder / "calls").unlink(missing_ok=True)
        command = ["workflow/submit.sh", *arguments]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def name(self) -> str:
        """What the jobs are called."""
        self.run("start", "config/my.tiny.yaml")
        return self.calls()[0].partition("--job-name=")[2].split()[0]


@pytest.fixture
def submitted(tmp_path: Path) -> Submitted:
    return Submitted(tmp_path)


def test_a_start_says_how_to_look_and_how_to_cancel(submitted: Submitted) -> None:
    done = submitted.run("start", "config/tiny.yaml", SBATCH="--time=60 --partition=cpu")
    assert done.stdout.startswith("Job 12 runs the benchmark")
    assert "tail -F results/drivers/etsdm-tiny-" in done.stdout
    assert "make cancel CONFIG=config/tiny.yaml" in done.stdout
    (call,) = submitted.calls()
    assert call.endswith("--time=60 --partition=cpu workflow/submit.sh drive config/tiny.yaml none 0")


def test_a_second_start_is_refused(submitted: Submitted) -> None:
    (submitted.folder / "queue").write_text(f"7 {submitted.name()}\n8 other\n")
    done = submitted.run("start", "config/my.tiny.yaml")
    assert done.returncode == 2
    assert "in the queue (7)" in done.stderr
    assert not submitted.calls()


@pytest.mark.parametrize(
    ("does", "status", "message", "follows"),
    [
        ("exit 0", 0, "ended, with exit code 0; none follows", False),
        (FAILS, 2, "ended, with exit code 2; none follows", False),
        (IS_KILLED, 2, "Snakemake was killed; 12 follows", True),
        ("kill -9 $$", 137, "Snakemake was killed; 12 follows", True),
    ],
    ids=["done", "failed", "snakemake killed", "make killed"],
)
def test_what_is_killed_is_followed(submitted: Submitted, does: str, status: int, message: str, follows: bool) -> None:
    name = submitted.name()
    done = submitted.run("drive", "config/my.tiny.yaml", "none", "0", FAKE_DO=does)
    assert done.returncode == status
    assert message in done.stdout
    queue, make, *more = submitted.calls()
    assert "--dependency=afterany:11" in queue
    assert make == f"make reproduce CONFIG=config/my.tiny.yaml DRIVER={name}"
    assert more == ([] if follows else ["scancel 12"])
    assert not list(submitted.folder.glob("results/drivers/*"))


def test_drivers_that_bring_nothing_new_come_to_an_end(submitted: Submitted) -> None:
    arguments = ["none", "0"]
    for tries in range(3):
        submitted.run("drive", "tiny.yaml", *arguments, FAKE_DO=IS_KILLED)
        arguments = submitted.calls()[0].split()[-2:]
        assert arguments[1] == str(tries)
    done = submitted.run("drive", "tiny.yaml", *arguments)
    assert done.returncode == 1
    assert "the 3 before it brought nothing new" in done.stdout
    assert not submitted.calls()
    (submitted.folder / "results" / "000100.pt").touch()
    submitted.run("drive", "tiny.yaml", *arguments, FAKE_DO=IS_KILLED)
    assert submitted.calls()[0].split()[-1] == "0"


def test_jobs_that_a_driver_left_end_first(submitted: Submitted) -> None:
    name = submitted.name()
    (submitted.folder / "queue").write_text(f"12 {name}\n9 {name}_1234\n10 {name}5_1\n")
    done = submitted.run("drive", "config/my.tiny.yaml", "none", "0", FAKE_DO="exit 0")
    assert "waits for jobs of the one before it: 9\n" in done.stdout


def test_a_driver_that_may_not_submit_goes_on_alone(submitted: Submitted) -> None:
    done = submitted.run("drive", "tiny.yaml", "none", "0", FAKE_REFUSAL="yes", FAKE_DO="exit 0")
    assert done.returncode == 0
    assert "no successor: sbatch failed" in done.stdout
    assert not [call for call in submitted.calls() if call.startswith("scancel")]


def test_a_cancel_takes_the_jobs_and_no_others(submitted: Submitted) -> None:
    name = submitted.name()
    (submitted.folder / "queue").write_text(f"11 {name}\n12 {name}\n9 {name}_1234\n10 {name}5\n")
    assert "Cancelled: 11 12 9." in submitted.run("cancel", "config/my.tiny.yaml").stdout
    assert submitted.calls() == ["scancel 11 12 9"]
    assert "nothing was in the queue" in submitted.run("cancel", "config/my.tiny.yaml").stdout
