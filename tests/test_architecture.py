"""The house: imports point one way, rooms and files stay few and small, and a folder's listing is its registry."""

import ast
import re
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

import pytest

from etsdm.fingerprint import ROOT

PACKAGE = ROOT / "etsdm"
FILES = sorted(PACKAGE.rglob("*.py"))
WRITTEN = ("etsdm", "tests", "benchmarks", "workflow", "docs")
MOST_ROOMS, MOST_AT_THE_TOP, MOST_LINES = 20, 6, 400
PURE = {"diffusion": {"config"}, "solvers": {"config", "diffusion"}}
"""Rooms of mathematics, and the rooms whose code they may use; errors may be raised anywhere."""


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def nearest(name):
    """The module that a dotted name lies in."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def imported(path):
    """The project's modules that a file imports: at the top, within functions, and for annotations alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (nearest(alias.name) for alias in node.names if alias.name.split(".")[0] == "etsdm")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "etsdm":
            yield from (nearest(f"{node.module}.{alias.name}") for alias in node.names)


ARROWS = {module: set(imported(path)) - {module, "etsdm"} for module, path in MODULES.items()}


def room_of(module):
    """The folder of a module, or the module itself at the top."""
    return module.split(".")[1] if "." in module else module


def circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def test_the_page_names_files_that_there_are():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| [`")]
    named = 0
    for room, holds, where in rows:
        links = [ROOT / "docs" / link for link in re.findall(r"\]\(([^)]+)\)", room + holds)]
        folders = [link if link.is_dir() else link.parent for link in links]
        for name in re.findall(r"`([\w/*.]+\.(?:py|yaml|csv|j2|css))`", where):
            named += 1
            assert any(list(folder.glob(name)) for folder in folders), f"{name} of {room}"
    assert named > 30


def test_no_circle_of_imports():
    assert circle(ARROWS) is None


def test_arrows_between_rooms_point_one_way():
    rooms = defaultdict(set)
    for module, targets in ARROWS.items():
        rooms[room_of(module)] |= {room_of(target) for target in targets} - {room_of(module)}
    assert circle(rooms) is None


def test_arrows_point_down_the_page():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [name.split("/")[0] for name in re.findall(r"^\| \[`([\w/]+?)(?:/|\.py)`\]", page, re.MULTILINE)]
    place = {room: i for i, room in enumerate(rooms)}
    inside = {room_of(module) for module in MODULES if "." in module} - {"__main__", "errors", "library"}
    assert set(rooms) == inside
    for module, targets in ARROWS.items():
        mine = place.get(room_of(module), -1)
        assert all(place.get(room_of(target), len(rooms)) >= mine for target in targets), module


@pytest.mark.parametrize("room", PURE)
def test_the_mathematics_uses_no_other_room(room):
    used = {room_of(target) for module, targets in ARROWS.items() if room_of(module) == room for target in targets}
    assert used - {room} <= PURE[room] | {"errors"}


def test_only_two_files_use_snakemake():
    """Both only when a workflow runs: to merge its configurations, and to ask how long its scheduler remembers jobs."""
    pattern = re.compile(r"^ *(import|from) snakemake", re.MULTILINE)
    users = {module_of(path) for path in FILES if pattern.search(path.read_text(encoding="utf-8"))}
    assert users == {"etsdm.config.snakemake_config", "etsdm.runtime.slurm"}


def test_rooms_are_few():
    rooms = [path for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert len(rooms) <= MOST_ROOMS
    assert len([*PACKAGE.glob("*.py")]) <= MOST_AT_THE_TOP


def test_what_one_file_of_rules_uses_stands_in_it():
    """But for functions, which Snakemake's linter wants in a file without rules."""
    rules = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk")}
    common = rules.pop("common.smk") + (ROOT / "workflow" / "Snakefile").read_text(encoding="utf-8")
    constants = re.findall(r"^(\w+) = ", common, re.MULTILINE)
    assert len(constants) > 10
    read = re.sub(r"^\w+ = |#.*", "", common, flags=re.MULTILINE)
    for name in constants:
        users = [file for file, text in rules.items() if re.search(rf"\b{name}\b", text)]
        assert len(users) > 1 or re.search(rf"\b{name}\b", read), (name, users)


def test_no_file_is_long():
    lines = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for room in WRITTEN
        for path in (ROOT / room).rglob("*.py")
    }
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MOST_LINES} == {}
