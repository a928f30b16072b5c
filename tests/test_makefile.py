"""What the Makefile does before and after it calls the tools, with stand-ins for these."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etsdm.fingerprint import ROOT

OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
SNAKEMAKE = 'test -z "$FAKE_BEGIN" || echo begun > "$ETSDM_BEGUN"\neval "$FAKE_DO"\nexit ${FAKE_STATUS:-0}\n'


class Sandbox:
    """A folder with the Makefile, and an environment whose tools note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "venv" / "bin").mkdir(parents=True)
        (folder / "config").mkdir()
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("requirements.lock", "pyproject.toml", "venv/.installed"):
            (folder / name).touch()
        for name in ("etsdm", "snakemake", "python", "ruff", "mypy", "snakefmt"):
            tool = folder / "venv" / "bin" / name
            does = SNAKEMAKE if name == "snakemake" else 'test "${1:-none}" != "$FAKE_REFUSE" || exit 2\n'
            tool.write_text(f'#!/bin/sh\necho "{name} $*" >> calls\n{does}')
            tool.chmod(0o755)

    def command(self, *arguments: str) -> list[str]:
        return ["make", "VENV=venv", *arguments]

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        (self.folder / "calls").unlink(missing_ok=True)
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=OUTSIDE | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.mark.parametrize("target", ["demo", "reproduce", "plan", "lint", "unlock"])
def test_every_target_checks_first(sandbox: Sandbox, target: str) -> None:
    """Snakemake would run Python that stands in a configuration."""
    done = sandbox.make(target, FAKE_REFUSE="plan" if target == "plan" else "check")
    assert done.returncode == 2
    assert not [call for call in sandbox.calls() if call.startswith("snakemake")]
    assert sandbox.make(target).returncode == 0
    assert [call for call in sandbox.calls() if call.startswith("snakemake")]


def test_a_failure_is_one_of_jobs_only_if_they_have_begun(sandbox: Sandbox) -> None:
    """A wrong profile or number of cores is not; what Snakemake says of it is enough."""
    done = sandbox.make("reproduce", "CORES=many", FAKE_STATUS="1")
    assert done.returncode == 2
    assert "Some jobs failed" not in done.stderr
    assert not [call for call in sandbox.calls() if "report" in call]
    done = sandbox.make("reproduce", FAKE_STATUS="1", FAKE_BEGIN="1")
    assert done.returncode == 2
    assert "Some jobs failed" in done.stderr
    assert sandbox.calls()[-1].startswith("etsdm report")


def test_no_other_profile_counts(sandbox: Sandbox) -> None:
    """Snakemake would add the default profile, whose limits are those of one machine."""
    sandbox.make("reproduce", "PROFILE=my-cluster")
    (call,) = [call for call in sandbox.calls() if call.startswith("snakemake")]
    assert "--profile my-cluster --workflow-profile none" in call


def heed_interrupts() -> None:
    """Tests that a script started in the background ignore them, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_run_speaks_through_the_plugin_or_as_snakemake_does(sandbox: Sandbox) -> None:
    path = {"FAKE_DO": 'echo "$PYTHONPATH" > path', "PYTHONPATH": "mine"}
    sandbox.make("reproduce", **path)
    (call,) = [call for call in sandbox.calls() if call.startswith("snakemake")]
    assert "--logger etsdm --profile" in call
    assert (sandbox.folder / "path").read_text().strip() == f"{sandbox.folder}/workflow/logger:mine"
    sandbox.make("reproduce", "LOGGER=")
    assert "--logger" not in " ".join(sandbox.calls())


def test_an_interrupt_is_no_failure(sandbox: Sandbox) -> None:
    environment = OUTSIDE | {"FAKE_DO": ": > running; exec sleep 60", "FAKE_STATUS": "1", "FAKE_BEGIN": "1"}
    command, pipe = sandbox.command("reproduce"), subprocess.PIPE
    process = subprocess.Popen(
        command,
        cwd=sandbox.folder,
        env=environment,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    while not (sandbox.folder / "running").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert "Stopped: the same command goes on." in stderr
    assert "Some jobs failed" not in stderr


@pytest.mark.parametrize("target", ["plan", "report", "unlock"])
def test_what_runs_nothing_installs_nothing(sandbox: Sandbox, target: str) -> None:
    shutil.rmtree(sandbox.folder / "venv")
    done = sandbox.make(target)
    assert done.returncode == 2
    assert done.stderr.startswith("make: error: there is no venv/bin/etsdm; run `make install` first")
    assert not (sandbox.folder / "venv").exists()


def test_an_installation_is_one_line(sandbox: Sandbox) -> None:
    """pip lists some 150 packages, each with what it needs."""
    (sandbox.folder / "venv" / ".installed").unlink()
    done = sandbox.make("install")
    assert done.stdout == "Installing requirements.lock into venv, which takes minutes if it is new ...\n"
    pips = [call for call in sandbox.calls() if " install " in call]
    assert len(pips) == 2
    assert all("--quiet" in call for call in pips)


def test_a_variable_in_lower_case_is_refused(sandbox: Sandbox) -> None:
    done = sandbox.make("reproduce", "config=config/mine.yaml")
    assert done.returncode == 2
    assert "config=... is not known: write CONFIG=..." in done.stderr
    assert not sandbox.calls()


def test_a_python_that_is_not_there_is_named(sandbox: Sandbox) -> None:
    shutil.rmtree(sandbox.folder / "venv")
    done = sandbox.make("install", "PYTHON=no-such-python")
    assert done.returncode == 2
    assert done.stderr.startswith("make: error: there is no no-such-python; name a Python")


def test_an_editable_install_of_another_folder_is_left_alone(sandbox: Sandbox) -> None:
    packages = sandbox.folder / "packages" / "etsdm-1.dist-info"
    packages.mkdir(parents=True)
    (packages / "METADATA").write_text("Metadata-Version: 2.1\nName: etsdm\nVersion: 1\n")
    python = sandbox.folder / "venv" / "bin" / "python"
    python.write_text(
        f'#!/bin/sh\nif [ "$1" = -P ]; then PYTHONPATH=packages exec {sys.executable} "$@"; fi\necho "$@" >> calls\n'
    )
    (sandbox.folder / "venv" / ".installed").unlink()
    for place, refused in ((sandbox.folder, False), (sandbox.folder / "an other", True)):
        (packages / "direct_url.json").write_text(f'{{"url": "{place.as_uri()}", "dir_info": {{"editable": true}}}}')
        done = sandbox.make("install")
        assert bool(done.returncode) == refused
        assert ("has the etsdm of" in done.stderr) == refused
        assert bool([call for call in sandbox.calls() if "-e ." in call]) == (not refused)
        (sandbox.folder / "venv" / ".installed").unlink(missing_ok=True)
