"""pyproject.toml, requirements.lock, environment.yml and the environment the tests run in agree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from configs import write_config
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK_LINES = (ROOT / "requirements.lock").read_text().splitlines()
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def locked_versions() -> dict[str, str]:
    """The lock's pins for this Python and platform, by canonical name."""
    pins: dict[str, str] = {}
    for line in LOCK_LINES:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", f"{line} is not pinned"
            assert requirement.name not in pins, f"two pins of {requirement.name} for one environment"
            pins[canonicalize_name(requirement.name)] = specifier.version
    return pins


def direct_requirements() -> list[Requirement]:
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    return [Requirement(line) for group in (PYPROJECT["project"]["dependencies"], *extras) for line in group]


def closure() -> Iterator[tuple[str, Requirement]]:
    """(who asks, for what) over everything reached from pyproject.toml, read from the installed metadata."""
    overrides = {
        canonicalize_name(override.name): override
        for override in map(Requirement, PYPROJECT["tool"]["uv"]["override-dependencies"])
    }
    queue = [("pyproject.toml", requirement, "") for requirement in direct_requirements()]
    visited = set()
    while queue:
        source, dependency, extra = queue.pop()
        requirement = overrides.get(canonicalize_name(dependency.name), dependency)
        if not all(r.marker is None or r.marker.evaluate({"extra": extra}) for r in (dependency, requirement)):
            continue
        yield source, requirement
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in visited:
                visited.add((name, wanted))
                needs = map(Requirement, metadata.requires(name) or [])
                queue += [(name, need, wanted) for need in needs]


def test_lock_is_the_closure_of_pyproject() -> None:
    """Nothing is missing (it is installed with --no-deps), at odds with what needs it, or superfluous."""
    pins = locked_versions()
    needs = [(source, need, canonicalize_name(need.name)) for source, need in closure()]
    assert {name for _, _, name in needs} == set(pins)
    unmet = [
        f"{source} needs {need}, locked: {pins[name]}"
        for source, need, name in needs
        if not need.specifier.contains(pins[name], prereleases=True)
    ]
    assert not unmet


def test_the_environment_is_the_lock() -> None:
    pins = locked_versions()
    assert {name: metadata.version(name) for name in pins} == pins


def test_only_the_lock_holds_exact_versions() -> None:
    assert [str(need) for need in direct_requirements() if "==" in str(need.specifier)] == []


def test_the_snakefile_and_pyproject_ask_for_the_same_snakemake() -> None:
    (need,) = (need for need in direct_requirements() if need.name == "snakemake")
    min_versions = re.findall(r'^min_version\("(.+)"\)$', (ROOT / "workflow" / "Snakefile").read_text(), re.MULTILINE)
    assert [str(one) for one in need.specifier if one.operator == ">="] == [f">={version}" for version in min_versions]


def test_the_library_needs_torch_and_numpy_alone() -> None:
    assert {Requirement(line).name for line in PYPROJECT["project"]["dependencies"]} == {"torch", "numpy"}


def test_torchvision_fits_torch() -> None:
    """Its compiled operators load; beside another build of torch they do not."""
    kept = torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), iou_threshold=0.5)
    assert kept.tolist() == [0]


def test_lock_names_no_registry() -> None:
    assert not [line for line in LOCK_LINES if "://" in line or line.startswith("-") or "@" in line]


def test_conda_takes_versions_from_the_lock_and_names_from_pyproject() -> None:
    conda_packages = [item for item in CONDA["dependencies"] if isinstance(item, str)]
    (pip,) = (item["pip"] for item in CONDA["dependencies"] if not isinstance(item, str))
    assert pip == ["--constraint requirements.lock", "--editable .[benchmark,dev]"]
    assert {item.split()[0] for item in conda_packages}.isdisjoint(locked_versions())


def test_conda_pythons_are_supported() -> None:
    (python,) = (Requirement(item) for item in CONDA["dependencies"] if str(item).startswith("python "))
    required = SpecifierSet(PYPROJECT["project"]["requires-python"])
    minors = [f"3.{minor}" for minor in range(30) if python.specifier.contains(f"3.{minor}")]
    assert minors
    assert all(required.contains(minor) for minor in minors)


def test_build_backend_is_locked() -> None:
    """The package itself is installed without build isolation: its backend has to be there already."""
    for line in PYPROJECT["build-system"]["requires"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked_versions()[requirement.name])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel holds, in a folder away from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for part in ("etsdm", "workflow"):
        shutil.copytree(ROOT / part, folder / "source" / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, folder / "source")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(folder / "source")], check=True)
    (wheel,) = folder.glob("etsdm-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    shutil.rmtree(folder / "source")
    return folder / "installed"


def run_outside(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in another folder, with the package of the wheel."""
    command = [sys.executable, "-P", *arguments]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(command, cwd=installed.parent, env=environment, capture_output=True, text=True, check=False)


def test_a_wheel_holds_what_the_checkout_holds(installed: Path) -> None:
    def files(root: Path) -> set[str]:
        return {str(path.relative_to(root)) for path in (root / "etsdm").rglob("*.*") if path.suffix != ".pyc"}

    assert files(installed) == files(ROOT)


def test_snakemake_finds_the_logger_of_a_wheel(installed: Path) -> None:
    """It finds none in an editable install: the Makefile names the plugin's folder."""
    code = "from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry as R; print(*R().plugins)"
    done = run_outside(installed, "-c", code)
    assert "etsdm" in done.stdout.split(), done.stderr


def test_the_library_works_with_torch_and_numpy_alone(installed: Path) -> None:
    done = run_outside(installed, str(ROOT / "tests" / "library_alone.py"))
    assert done.returncode == 0, done.stderr
    assert f"etsdm of {installed / 'etsdm'} works" in done.stdout


def test_the_command_of_a_wheel_checks_a_configuration(installed: Path) -> None:
    config = write_config(installed.parent / "mine.yaml", **{"datasets.cats": "afhq-cat"})
    done = run_outside(installed, "-m", "etsdm", "check", "--no-data", str(config))
    assert done.returncode == 0, done.stderr


def test_the_command_says_which_packages_it_needs(installed: Path) -> None:
    code = "import sys; sys.modules['click'] = None; from etsdm.__main__ import main; main()"
    done = run_outside(installed, "-c", code)
    assert done.returncode == 1
    assert done.stderr == (
        "etsdm: error: the package click is missing; the command needs: pip install 'etsdm[benchmark]'\n"
    )
