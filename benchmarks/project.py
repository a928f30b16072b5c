"""A copy of the project in a folder of its own, in which Snakemake runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from etsdm.plan.plan import load_plan
from etsdm.runtime.files import read_json

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent


def read_config(path: Path) -> dict[str, Any]:
    """The values of a configuration, with bases, presets and defaults filled in."""
    return load_plan(path, look=False).settings()


class Project:
    """The project's code with the configuration `values` and no results."""

    def __init__(self, folder: Path, values: dict[str, Any]) -> None:
        self.folder = folder
        for part in ("etsdm", "workflow", "config"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / "profiles").symlink_to("workflow/profiles")
        self.config = folder / "config" / "measured.yaml"
        self.config.write_text(yaml.safe_dump(values), encoding="utf-8")

    def snakemake(self, *arguments: str) -> str:
        """What Snakemake says; an error if it fails."""
        return snakemake(self.folder, "--configfile", str(self.config), *arguments)

    def manifests(self) -> list[dict[str, Any]]:
        """Of every job that has run."""
        paths = self.folder.glob("results/**/*manifest.json")
        return [read_json(path) for path in paths if path.parent.name != ".manifest.finished"]  # kept a second time


def snakemake(folder: Path, *arguments: str) -> str:
    """What Snakemake, run in `folder`, says; an error if it fails."""
    environment = os.environ | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [TOOLS / "snakemake", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout + done.stderr


def job_count(output: str) -> int:
    """Jobs in the table that Snakemake prints."""
    total = re.search(r"^total +(\d+)$", output, re.MULTILINE)
    return int(total[1]) if total else 0
