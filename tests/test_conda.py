"""The environment of the rules under `snakemake --sdm conda`, with a stand-in for conda that reads its file."""

import os
import sys
from pathlib import Path

import pytest
import yaml
from configs import write_config
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
from projects import TOOLS, Project, copy_project

CONDA = f"""\
#!{sys.executable}
import json, os, shutil, sys
from pathlib import Path
folder = Path(__file__).resolve().parents[1]
if sys.argv[1] == "info":
    print(json.dumps({{"conda_prefix": str(folder), "platform": "linux-64"}}))
elif sys.argv[1] == "config":
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif sys.argv[1] == "--version":
    print("conda 24.7.1")
elif sys.argv[1:3] == ["env", "create"]:
    given = dict(zip(sys.argv[5::2], sys.argv[6::2]))
    shutil.copy(given["--file"], folder / "created.yaml")
    (folder / "ETSDM_ROOT").write_text(os.environ["ETSDM_ROOT"])
    (Path(given["--prefix"]) / "bin").mkdir(parents=True)
    etsdm = Path(given["--prefix"]) / "bin" / "etsdm"
    etsdm.write_text("#!/bin/sh\\ntouch {{folder}}/used\\nexec {TOOLS}/etsdm \\"$@\\"\\n".format(folder=folder))
    etsdm.chmod(0o755)
elif sys.argv[1] != "clean":
    sys.exit(f"conda: {{sys.argv}}")
"""
"""Notes what it is asked to make, and makes an environment whose `etsdm` notes that it is used."""


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's folder, after one job of a workflow has run in the environment that it made."""
    folder = tmp_path_factory.mktemp("conda")
    (folder / "bin").mkdir()
    for name, script in {"conda": CONDA, "activate": 'export PATH="$1/bin:$PATH"\n'}.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    copy_project(folder / "project")
    environment = os.environ | {"PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])}
    project = Project(folder / "project", environment=environment)
    write_config(project.config)
    done = project.snakemake("--sdm", "conda", "--", "results/reports/tiny/inventory.json")
    assert done.returncode == 0, done.stderr
    return folder


def test_jobs_run_in_the_environment(conda: Path) -> None:
    assert (conda / "used").exists()
    assert (conda / "project" / "results" / "reports" / "tiny" / "inventory.json").is_file()


def test_pip_finds_all_that_the_environment_asks_for(
    conda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever Snakemake copies the file: as pip reads it, nothing in it is relative."""
    monkeypatch.setenv("ETSDM_ROOT", (conda / "ETSDM_ROOT").read_text())
    monkeypatch.chdir(tmp_path)
    (lines,) = (part["pip"] for part in yaml.safe_load((conda / "created.yaml").read_text())["dependencies"][2:])
    (tmp_path / "requirements.txt").write_text("\n".join(lines))
    requirements = [*parse_requirements("requirements.txt", session=PipSession())]
    (package,) = (need for need in requirements if need.is_editable)
    assert package.requirement == f"{conda / 'project'}[benchmark]"
    assert len([need for need in requirements if need.constraint]) > 100


def test_the_environment_is_that_of_environment_yml() -> None:
    """But for what only people need in it."""
    root = Path(__file__).parents[1]
    rules, people = (
        yaml.safe_load((root / file).read_text()) for file in ("workflow/envs/etsdm.yaml", "environment.yml")
    )
    assert rules["channels"] == people["channels"]
    assert set(map(str, rules["dependencies"][:2])) <= set(map(str, people["dependencies"]))
