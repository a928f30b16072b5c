"""Tests behave the same with and without a GPU, and those that need one say so where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiers import every_nth_fast

ROOT = Path(__file__).parents[1]


def pytest_in(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_gpu.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_no_test_and_no_process_of_one_sees_a_gpu() -> None:
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert not torch.cuda.is_available()


def test_what_needs_a_gpu_fails_without_one_and_says_so() -> None:
    """The other process has the environment of this one."""
    done = pytest_in("-m", "gpu")
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "these tests need a GPU: torch.cuda.is_available() is False" in output
    assert f"CUDA {torch.version.cuda}" in output
    assert "skipped" not in output


@pytest.mark.parametrize("arguments", every_nth_fast([["-m", "not slow"], [], ["-m", "not gpu"]], 3))
def test_what_needs_a_gpu_is_left_out(arguments: list[str]) -> None:
    done = pytest_in("--collect-only", "-q", *arguments)
    assert "no tests collected" in done.stdout, done.stdout
    assert "deselected" in done.stdout


def test_what_needs_a_gpu_is_there_where_it_is_asked_for() -> None:
    process = pytest_in("--collect-only", "-q", "-m", "gpu")
    assert process.returncode == 0
    assert "deselected" not in process.stdout
