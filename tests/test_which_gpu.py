"""GPUs that are not as they should be: missing, too few, given by a scheduler, or claimed for too long."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from configs import TINY, write_config
from filelock import FileLock
from projects import Project, copy_project
from tiers import every_nth_fast
from trained import model_spec, prepared_digits, write_weights

from etsdm.cli import main
from etsdm.errors import Interrupted, UserError
from etsdm.runtime import devices, gpus, launch
from etsdm.runtime.files import write_json
from etsdm.runtime.stop import StopRequest

VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "ETSDM_DEVICE",
    "ETSDM_JOBS_PER_GPU",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "RANK",
    "XDG_RUNTIME_DIR",
    *gpus.JOBS,
)
GIVEN = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE")
SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0"}


class StandIn:
    """What PyTorch tells of a GPU."""

    def __init__(self, number: int) -> None:
        self.uuid = f"gpu-{number}"


def pretend(count: int, patch: Callable[..., None]) -> None:
    """Let PyTorch see this many GPUs."""
    patch(torch.cuda, "is_available", lambda: count > 0)
    patch(torch.cuda, "device_count", lambda: count)
    patch(torch.cuda, "get_device_properties", StandIn)
    patch(torch.cuda, "set_device", lambda _: None)
    patch(devices, "_OWN", [])


@pytest.fixture(autouse=True)
def nobody_says_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No scheduler, no variables, no claims of other tests."""
    for name in (*VARIABLES, *GIVEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(devices, "WAIT", 0.05)
    monkeypatch.setattr(devices, "GRACE", 0)


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let PyTorch see this many GPUs, and set variables."""

    def arrange(count: int, **variables: str) -> None:
        pretend(count, monkeypatch.setattr)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return arrange


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put an `nvidia-smi` that runs a script first on the path."""

    def install(script: str) -> Path:
        tool = tmp_path / "tools" / "nvidia-smi"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
        return tool.parent

    return install


def sample(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess:
    """Draw two images by the real command."""
    weights = write_weights(folder / "weights.safetensors")
    command = [sys.executable, "-m", "etsdm", *options[:2], "sample", "--weights", str(weights), *options[2:]]
    few = ["--nfe", "2", "--count", "2", "--out", str(folder / "out.zip")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    return subprocess.run([*command, *few], env=environment, capture_output=True, text=True, check=False)


def about_gpus(text: str) -> list[str]:
    return [line for line in text.splitlines() if "GPU" in line and line.startswith("etsdm")]


# ---------------------------------------------------------------- a GPU that is not there


@pytest.mark.parametrize(
    "variable", every_nth_fast(["SLURM_JOB_GPUS=0", "SLURM_STEP_GPUS=1", "SLURM_GPUS_ON_NODE=2"], 3)
)
def test_a_schedulers_gpu_that_is_not_there_is_a_fatal_error(tmp_path, tools, variable):
    tools("echo 535.104.05")
    done = sample(tmp_path, **dict([variable.split("=")]))
    assert done.returncode == 2
    [message] = about_gpus(done.stderr)
    assert message.startswith(f"etsdm: error: the scheduler gave this job a GPU ({variable}), but PyTorch")
    assert "driver 535.104.05" in message and (torch.version.cuda or "without CUDA") in message and "R580" in message
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.zip").exists()
    again = sample(tmp_path, "--attempt", "2", **dict([variable.split("=")]))
    assert again.returncode == 2
    assert "another one would fail, too" in again.stderr


def test_a_broken_driver_on_a_workstation_is_one_line_and_then_the_cpu(tmp_path, tools):
    tools("echo 'NVIDIA-SMI has failed'; exit 9")
    done = sample(tmp_path)
    assert done.returncode == 0, done.stderr
    [message] = about_gpus(done.stderr)
    assert "warning: computing on the CPU" in message and "driver unknown" in message
    assert (tmp_path / "out.zip").exists()


@pytest.mark.parametrize("variables", [{"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "-1"}])
@pytest.mark.parametrize("scheduler", [{}, SLURM])
def test_hidden_gpus_ask_for_the_cpu(see, tools, capsys, variables, scheduler):
    tools("exit 9")
    see(0, **variables, **scheduler)
    assert devices.pick_device() == torch.device("cpu")
    assert capsys.readouterr().err == ""


def test_the_cpu_may_be_asked_for_in_a_job_with_a_gpu(see, tools, capsys):
    tools("exit 9")
    see(0, **SLURM)
    assert devices.pick_device("cpu") == torch.device("cpu")
    assert capsys.readouterr().err == ""


def test_a_variable_asks_every_job_for_the_cpu(tmp_path):
    done = sample(tmp_path, **SLURM, ETSDM_DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    assert about_gpus(done.stderr) == []


def test_a_gpu_that_is_asked_for_by_name_is_not_replaced(see, tools):
    tools("echo 535.104.05")
    see(0)
    with pytest.raises(UserError, match=r"'cuda' cannot be used here: PyTorch .* sees no GPU \(driver 535\.104\.05\)"):
        devices.pick_device("cuda")


def test_a_job_without_a_gpu_is_not_told_to_have_one(see, capsys):
    see(0, SLURM_JOB_ID="7", SLURM_GPUS_ON_NODE="0", PATH="")
    assert devices.pick_device() == torch.device("cpu")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("script", "module", "version"),
    [
        ("echo 580.65.06", None, "580.65.06"),
        ("echo failed", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\n", "535.104.05"),
        ("exit 9", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release\n", "580.65.06"),
        ("exit 9", None, None),
    ],
)
def test_the_drivers_version_is_found(tmp_path, monkeypatch, tools, script, module, version):
    tools(script)
    monkeypatch.setattr(gpus, "KERNEL_MODULE", tmp_path / "version")
    if module:
        (tmp_path / "version").write_text(module)
    assert gpus.driver_version() == version


@pytest.mark.workflow
@pytest.mark.parametrize("variables", every_nth_fast([{}, {"CUDA_VISIBLE_DEVICES": "-1"}, {"ETSDM_DEVICE": "cpu"}], 3))
def test_a_workflow_says_once_that_it_computes_on_the_cpu(tmp_path, tools, monkeypatch, variables):
    tools("exit 9")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project")
    write_config(project.config, experiments={"lipschitz": {"datasets": ["digits"], "methods": ["ddpm"], "images": 8}})
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    assert len(about_gpus(done.stdout + done.stderr)) == (0 if variables else 1)


# ---------------------------------------------------------------- GPUs that a scheduler has chosen


def meet(folder: str, number: int) -> None:
    """Take a GPU as a job does, and keep it until another process has one, too."""
    pretend(1, setattr)
    device = devices.pick_device()
    (Path(folder) / f"met-{number}").write_text(str(device))
    until = time.monotonic() + 60
    while len(list(Path(folder).glob("met-*"))) < 2:
        if time.monotonic() > until:
            os._exit(1)
        time.sleep(0.05)
    os._exit(0)


@pytest.mark.parametrize("numbers", [("7", "7"), ("7", "8")])
def test_jobs_that_a_scheduler_puts_on_one_gpu_run_at_the_same_time(tmp_path, monkeypatch, numbers):
    started = []
    for number, job in enumerate(numbers):
        for name, value in {**SLURM, "SLURM_JOB_ID": job}.items():
            monkeypatch.setenv(name, value)
        started.append(multiprocessing.get_context("spawn").Process(target=meet, args=(str(tmp_path), number)))
        started[-1].start()
    for one in started:
        one.join()
    assert [one.exitcode for one in started] == [0, 0]
    assert [file.read_text() for file in tmp_path.glob("met-*")] == ["cuda:0"] * 2


def test_processes_in_a_schedulers_job_take_the_gpus_of_their_numbers(see, tmp_path):
    for rank in (0, 1):
        see(2, **SLURM, LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE="2")
        assert devices.pick_device() == torch.device("cuda", rank)
    assert not (tmp_path / "cache").exists()


def test_processes_in_a_job_of_more_gpus_spread_and_never_wait(see):
    kept = []
    for expected in (0, 1, 0):
        see(2, PBS_JOBID="7.server", CUDA_VISIBLE_DEVICES="2,5")
        assert devices.pick_device() == torch.device("cuda", expected)
        kept.append(devices._OWN)


def test_processes_in_a_job_need_no_folder(see):
    see(2, **SLURM, XDG_CACHE_HOME=os.devnull)
    assert devices.pick_device() == torch.device("cuda", 0)


def test_a_job_whose_scheduler_knows_no_gpus_claims_one(see):
    see(1, SLURM_JOB_ID="7")
    with FileLock(devices.writable_folder() / "gpu-0.lock"), pytest.raises(Interrupted):
        devices.pick_device(stop=StopRequest(0.001))


@pytest.mark.parametrize("scheduler", [{}, SLURM])
@pytest.mark.parametrize("ranks", [{"LOCAL_RANK": "1"}, {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}])
def test_more_processes_than_gpus_are_an_error(see, scheduler, ranks):
    see(1, **scheduler, **ranks)
    with pytest.raises(UserError, match="2 processes share the GPUs of this machine, but PyTorch sees 1"):
        devices.pick_device()


def test_the_first_process_speaks_for_all(monkeypatch):
    slept = []
    monkeypatch.setattr(devices.time, "sleep", slept.append)
    monkeypatch.setattr(devices, "GRACE", 10)
    for first in (True, False):
        monkeypatch.setattr(launch, "is_first", lambda first=first: first)
        devices._mistake("too few")
    assert slept == [10]


@pytest.mark.slow
def test_several_processes_say_once_that_their_gpu_is_missing(tmp_path):
    done = sample(tmp_path, "--attempt", "1", "--processes", "2", **SLURM)
    assert done.returncode == 2
    assert len(about_gpus(done.stderr)) == 1
    again = sample(tmp_path, "--attempt", "2", "--processes", "2", **SLURM)
    assert again.returncode == 2
    assert "another one would fail, too" in again.stderr


# ---------------------------------------------------------------- claims


@pytest.mark.parametrize("stage", ["train", "sample", "encoder", "probe"])
def test_a_claim_waits_no_longer_than_the_jobs_time(see, tmp_path, stage):
    see(1)
    weights, spec = tmp_path / "weights.safetensors", tmp_path / "spec.json"
    write_json(spec, model_spec("ddpm") if stage == "train" else TINY["evaluation"]["encoders"][0])
    arguments = {
        "train": ["--spec", spec, "--data", prepared_digits(), "--out", tmp_path / "run"],
        "sample": ["--weights", weights, "--out", tmp_path / "out.zip"],
        "encoder": ["--spec", spec, "--data", prepared_digits(), "--out", tmp_path / "encoder"],
        "probe": ["--weights", weights, "--data", prepared_digits(), "--out", tmp_path / "k.json"],
    }
    weights.touch()
    folder = devices.writable_folder()
    with FileLock(folder / "gpu-0.lock"):
        done = CliRunner().invoke(main, ["--minutes", "0.01", stage, *map(str, arguments[stage])])
    assert done.exit_code == os.EX_TEMPFAIL, done.output
    assert "etsdm: all 1 GPUs are still claimed, and the time is up" in done.output


def test_as_many_jobs_share_a_gpu_as_the_variable_says(see):
    kept = []
    for _ in range(2):
        see(1, ETSDM_JOBS_PER_GPU="2")
        assert devices.pick_device() == torch.device("cuda", 0)
        kept.append(devices._OWN)
    see(1, ETSDM_JOBS_PER_GPU="2")
    with pytest.raises(Interrupted):
        devices.pick_device(stop=StopRequest(0.001))


def test_processes_of_one_job_share_no_gpu(see):
    see(2, ETSDM_JOBS_PER_GPU="2", LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")
    folder = devices.writable_folder()
    with FileLock(folder / "gpu-0.lock"), FileLock(folder / "gpu-1.lock"), pytest.raises(Interrupted):
        devices.pick_device(stop=StopRequest(0.001))


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", ""])
def test_a_wrong_number_of_jobs_is_one_line(see, jobs):
    see(1, ETSDM_JOBS_PER_GPU=jobs)
    with pytest.raises(UserError, match=f"ETSDM_JOBS_PER_GPU is '{jobs}', and must be a whole number") as error:
        devices.pick_device()
    assert "\n" not in str(error.value)


@pytest.mark.workflow
@pytest.mark.slow
def test_the_profile_says_how_many_jobs_share_a_gpu(tmp_path):
    """Its word reaches every job, and a wrong one ends the workflow before any."""
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project")
    write_config(project.config, experiments={"lipschitz": {"datasets": ["digits"], "methods": ["ddpm"], "images": 8}})
    job = private(tmp_path / "bin") / "etsdm"
    job.write_text(f'#!/bin/sh\necho "$ETSDM_JOBS_PER_GPU" >> {tmp_path}/told\nexit 1\n')
    job.chmod(0o755)
    project.environment["PATH"] = f"{job.parent}{os.pathsep}{project.environment['PATH']}"
    wrong = project.snakemake("--resources", "gpu=3", "jobs_per_gpu=0")
    assert wrong.returncode == 2
    assert "etsdm: error: ETSDM_JOBS_PER_GPU is '0'" in wrong.stderr
    assert not (tmp_path / "told").exists()
    project.snakemake("--resources", "gpu=3", "jobs_per_gpu=3")
    assert set((tmp_path / "told").read_text().split()) == {"3"}


def private(folder: Path, mode: int = 0o700) -> Path:
    folder.mkdir()
    folder.chmod(mode)
    return folder


def test_a_home_that_cannot_be_written_is_replaced_by_the_runtime_folder(see, tmp_path):
    runtime = private(tmp_path / "runtime")
    see(1, XDG_CACHE_HOME=os.devnull, XDG_RUNTIME_DIR=str(runtime))
    assert devices.pick_device() == torch.device("cuda", 0)
    assert list(runtime.rglob("gpu-0.lock"))


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_that_others_may_enter_is_not_trusted(see, tmp_path, mode):
    see(1, XDG_RUNTIME_DIR=str(private(tmp_path / "runtime", mode)))
    assert tmp_path / "runtime" not in devices._runtime_folders()


def test_a_folder_of_another_user_or_behind_a_link_is_not_trusted(see, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(private(tmp_path / "runtime"))
    see(1, XDG_RUNTIME_DIR=str(tmp_path / "link"))
    assert tmp_path / "link" not in devices._runtime_folders()
    see(1, XDG_RUNTIME_DIR=str(tmp_path / "runtime"))
    assert tmp_path / "runtime" in devices._runtime_folders()
    monkeypatch.setattr(devices.os, "getuid", lambda: 12_345)
    assert tmp_path / "runtime" not in devices._runtime_folders()


def test_no_folder_at_all_is_a_message(see, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(devices, "_runtime_folders", lambda: [])
    see(1, HOME="/dev/null")
    (tmp_path / "weights").touch()
    options = ["--weights", tmp_path / "weights", "--out", tmp_path / "out.zip"]
    done = CliRunner().invoke(main, ["sample", *map(str, options)])
    assert done.exit_code == 2
    assert "error: GPUs cannot be claimed" in done.output and "set XDG_CACHE_HOME" in done.output
    assert len(done.output.splitlines()) == 1


def test_a_claim_that_cannot_be_written_is_a_message(tmp_path):
    (tmp_path / "gpu-0.lock").mkdir()
    with pytest.raises(UserError, match="set XDG_CACHE_HOME"):
        devices.claim(["gpu-0"], tmp_path)
