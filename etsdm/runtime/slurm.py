"""What SLURM tells of jobs: whether it can tell how they end, and whether one is over; and what it is asked for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable

from etsdm.errors import UserError
from etsdm.runtime.gpus import DEVICE

HOW = "docs/slurm.md, 'Describe the cluster'"


def check_states(command: str | None, interval: int) -> None:
    """Ask once, before any job is submitted, in the way in which the states of jobs will be asked.

    Where they cannot be known, Snakemake would wait for jobs that are over.

    Args:
        command: that the profile asks by, "sacct" or "squeue".
        interval: seconds before the first look.

    Raises:
        UserError: states cannot be known; the message says what to set.
    """
    from snakemake_executor_plugin_slurm.job_status_query import get_min_job_age

    accounting = shutil.which("sacct") is not None
    remembered = get_min_job_age()
    forgets = remembered is not None and remembered < 3 * interval
    if accounting and (command == "sacct" or forgets):
        if problem := _refusal("sacct", "-X", "-n", "-S", "now"):
            squeue = "slurm-no-account: true and slurm-status-command: squeue"
            change = f"{squeue} and {_sooner(remembered)}" if remembered and forgets else squeue
            raise UserError(f"the states of jobs cannot be known: {problem}; set {change} in the profile ({HOW})")
    elif problem := _refusal("squeue", "-h", "-n", "etsdm"):
        raise UserError(f"the states of jobs cannot be known: {problem}")
    elif remembered is not None and forgets:
        raise UserError(
            f"the states of jobs cannot be known: SLURM forgets a job {remembered} s after its end (MinJobAge); "
            f"set {_sooner(remembered)} in the profile ({HOW})"
        )


def check_arrays(rules: str | None, most: float, waiting: int) -> None:
    """Refuse arrays of jobs where not every job that is ready would be submitted at once.

    The plug-in (2.8.0) takes those that the limit lets in, waits for the rest to make an array, and forgets them.

    Args:
        rules: whose jobs are to be arrays, as the profile names them.
        most: jobs in the queue that its limits allow.
        waiting: jobs that are to run.

    Raises:
        UserError: the limit is lower than the number of jobs.
    """
    if rules and most < waiting:
        raise UserError(
            f"slurm-array-jobs: {waiting:,} jobs are to run, and at most {most:,} may be in the queue; the plug-in for "
            f"SLURM would wait for the others for ever; set jobs: {waiting} or more in the profile, without "
            f"max-jobs-per-timespan, or take slurm-array-jobs out ({HOW})"
        )


def warn_without_gpus(resources: Iterable[str]) -> None:
    """Say so if no job asks for a GPU, as where `--set-resources` has replaced the list of the profile.

    Args:
        resources: names of all that the profile, or the command line, lets rules ask for.
    """
    if os.environ.get(DEVICE) != "cpu" and not {"gpu", "gres"} & set(resources):
        print(
            "etsdm: warning: no job asks for a GPU, so all compute on the CPU (ETSDM_DEVICE=cpu, if that is meant); "
            "--set-resources on the command line replaces the whole list of the profile",
            file=sys.stderr,
            flush=True,
        )


def warn_of_two_profiles(jobs: int | None, cores: int | None) -> None:
    """Say so if Snakemake has added the profile for one machine to that of the cluster, where its limits count.

    Args:
        jobs: most jobs in the queue, which a profile for a cluster sets.
        cores: most cores of all jobs, which the profile for one machine sets.
    """
    if jobs is not None and cores is not None:
        print(
            f"etsdm: warning: all jobs together get {cores} cores, as if the cluster were one machine: Snakemake adds "
            "profiles/default to --profile; give the profile of the cluster by --workflow-profile instead",
            file=sys.stderr,
            flush=True,
        )


def is_over(job: str | None) -> bool:
    """Whether a job has surely ended: SLURM knows it no more, or runs it again, as this one."""
    if not job or job == os.environ.get("SLURM_JOB_ID"):
        return bool(job)
    try:
        process = subprocess.run(["squeue", "-h", "-j", job], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return "Invalid job id" in process.stderr or (process.returncode == 0 and not process.stdout.strip())


def _sooner(remembered: int) -> str:
    return f"slurm-init-seconds-before-status-checks: {max(1, remembered // 3)}"


def _refusal(*command: str) -> str | None:
    """What a command says when it fails; None if it works."""
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return (
        None
        if process.returncode == 0
        else f"{command[0]}: {process.stderr.strip() or f'exit code {process.returncode}'}"
    )
