"""SLURM: its commands, and the part of Snakemake that submits to it."""

import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from etsdm.doctor._line import Case, Line

ORDER = 80
PLUGIN = "snakemake-executor-plugin-slurm"
COMMANDS = ("sbatch", "scontrol", "sacct")


def lines(case: Case) -> Iterator[Line]:
    """Which commands there are, and the version of the plug-in."""
    here = [name for name in COMMANDS if shutil.which(name)]
    yield commands(here)
    yield plugin(_version(), "sbatch" in here)


def commands(here: list[str]) -> Line:
    """The line on the commands that there are."""
    lacking = [name for name in COMMANDS if name not in here]
    if "sbatch" not in here:
        return Line("SLURM", "no matter", "no sbatch; jobs run on this machine")
    if not lacking:
        return Line("SLURM", "fine", f"{', '.join(here)}; docs/slurm.md goes from here")
    if lacking == ["sacct"]:
        return Line("SLURM", "no matter", "no sacct, as without accounting", "docs/slurm.md, 'Describe the cluster'")
    return Line("SLURM", "missing", f"no {', '.join(lacking)} beside sbatch", "ask who runs the cluster")


def plugin(installed: str | None, submits: bool) -> Line:
    """The line on the plug-in's version, and whether there is something to submit to."""
    if installed:
        return Line("SLURM plug-in", "fine" if submits else "no matter", f"{PLUGIN} {installed}")
    return Line("SLURM plug-in", "missing" if submits else "no matter", f"{PLUGIN} is not installed", "make install")


def _version() -> str | None:
    try:
        return version(PLUGIN)
    except PackageNotFoundError:
        return None
