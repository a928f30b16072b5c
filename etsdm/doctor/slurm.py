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
    available = [name for name in COMMANDS if shutil.which(name)]
    yield commands(available)
    yield plugin(_version(), "sbatch" in available)


def commands(available: list[str]) -> Line:
    """The line on the commands that there are."""
    lacking = [name for name in COMMANDS if name not in available]
    if "sbatch" not in available:
        return Line("SLURM", "no matter", "no sbatch; jobs run on this machine")
    if not lacking:
        return Line("SLURM", "fine", f"{', '.join(available)}; docs/slurm.md goes from here")
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
