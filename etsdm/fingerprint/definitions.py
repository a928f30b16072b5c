"""The definitions that a stage reaches: functions, classes and constants, one by one."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from etsdm.fingerprint import files
from etsdm.fingerprint.essence import Essence
from etsdm.fingerprint.files import imports_of, is_settings

QUIET = frozenset(
    {
        "etsdm.config.plugins",
        "etsdm.config.registry",
        "etsdm.config.strict",
        "etsdm.sampling.spec",
        "etsdm.solvers.eps_scale:_scale",
        "etsdm.solvers.solver:_listed",
        "etsdm.runtime.attempts",
        "etsdm.runtime.digests",
        "etsdm.errors",
        "etsdm.runtime.files",
        "etsdm.fingerprint",
        "etsdm.fingerprint.definitions",
        "etsdm.fingerprint.essence",
        "etsdm.fingerprint.files",
        "etsdm.runtime.finished",
        "etsdm.runtime.finite",
        "etsdm.runtime.forkserver",
        "etsdm.runtime.gpus",
        "etsdm.runtime.intact",
        "etsdm.runtime.launch",
        "etsdm.runtime.locks",
        "etsdm.runtime.manifest",
        "etsdm.runtime.parts",
        "etsdm.runtime.places",
        "etsdm.runtime.slurm",
        "etsdm.runtime.stop",
        "etsdm.runtime.workers",
        "etsdm.runtime.devices:_no_gpu",
        "etsdm.runtime.devices:_own_gpu",
        "etsdm.models.unet:check_sizes",
        "etsdm.training.snapshots:check_kept",
        "etsdm.training.snapshots:what_is_wrong",
    }
)
"""Modules, and single definitions, that no number depends on: how jobs start, wait, save, stop and speak, and how
things are found by their name. A rule names the modules of its own solver, method and schedule."""
OTHERS = ""
"""Instead of a name: the statements of a module that define nothing, which run whenever it is loaded."""
Definition = tuple[str, str]
"""The module and the name of a function, a class or a constant."""


@dataclass(frozen=True, eq=False)
class Module:
    """What counts of one file of the project.

    Attributes:
        names: the statements at the top that define each name; under `OTHERS` those that define none.
        imports: what each imported name stands for, as a dotted name.
    """

    names: dict[str, list[ast.stmt]]
    imports: dict[str, str]


def is_quiet(where: str, name: str) -> bool:
    return where in QUIET or f"{where}:{name}" in QUIET


@cache
def _read(path: Path, module: str) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = imports_of(tree)
    quiet = {definition for place in QUIET for owner, _, definition in [place.partition(":")] if owner == module}
    quiet |= {name for name, full in imports.items() if full in QUIET or is_quiet(*full.rpartition(".")[::2])}
    errors = {name for name, full in imports.items() if full.startswith("etsdm.errors.")}
    Essence(quiet, errors).visit(tree)
    names: dict[str, list[ast.stmt]] = {OTHERS: []}
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and is_settings(f"{module}.{statement.name}"):
            continue
        for name in _defined(statement) or [OTHERS]:
            names.setdefault(name, []).append(statement)
    return Module(names, imports)


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign) and all(
        isinstance(target, ast.Name | ast.Tuple) for target in statement.targets
    ):
        return [node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return []


def read_module(name: str) -> Module | None:
    path = files.file_of(name)
    return _read(path, name) if path else None


def _dotted(node: ast.AST) -> Iterator[str]:
    """The names that a tree uses, as far as their dots go."""
    parts: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield ".".join([inner.id, *reversed(parts)])
    else:
        for child in ast.iter_child_nodes(inner):
            yield from _dotted(child)


def _resolved(name: str) -> Iterator[Definition]:
    """The definitions of the project that a dotted name leads to: all of them, for a module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        where, rest = ".".join(parts[:length]), parts[length:]
        module = read_module(where)
        if module is None:
            continue
        if not rest:
            yield from ((where, definition) for definition in module.names)
        elif rest[0] in module.names:
            yield where, rest[0]
        elif rest[0] in module.imports:
            yield from _resolved(".".join([module.imports[rest[0]], *rest[1:]]))
        return


def is_there(name: str) -> bool:
    return next(_resolved(name), None) is not None


@cache
def _mentions(module: Module, name: str) -> set[str]:
    """The names that a definition uses."""
    return {dotted for statement in module.names[name] for dotted in _dotted(statement)}


@cache
def _uses(where: str, name: str) -> set[Definition]:
    """The project's definitions that one of them uses itself, those of its module that are always run included."""
    module = read_module(where)
    assert module is not None
    used = {(where, OTHERS)}
    for dotted in _mentions(module, name):
        first, _, rest = dotted.partition(".")
        if first in module.names:
            used.add((where, first))
        elif (full := module.imports.get(first, "")).startswith("etsdm"):
            used.update(_resolved(f"{full}.{rest}" if rest else full))
    return used


def reached(*roots: str) -> set[Definition]:
    """The definitions that `roots` use, themselves included; none that is quiet.

    Args:
        roots: modules, all of whose definitions are used, and single definitions by their dotted names.

    Raises:
        ModuleNotFoundError: there is no such module or definition in the project.
    """
    if missing := [root for root in roots if not is_there(root)]:
        raise ModuleNotFoundError(f"no source file for {missing}")
    visited: set[Definition] = set()
    waiting = [definition for root in roots for definition in _resolved(root)]
    while waiting:
        definition = waiting.pop()
        if definition not in visited and not is_quiet(*definition):
            visited.add(definition)
            waiting += _uses(*definition)
    return visited


def _without_positions(node: Any) -> Any:
    """A tree without positions and empty fields: the same in every Python version."""
    if isinstance(node, ast.AST):
        fields = [(name, _without_positions(value)) for name, value in ast.iter_fields(node) if value not in (None, [])]
        return (type(node).__name__, [field for field in fields if field[0] not in ("kind", "type_comment", "ctx")])
    return [_without_positions(item) for item in node] if isinstance(node, list) else repr(node)


@cache
def weighed(module: Module, name: str) -> str:
    """What counts of a definition. The name of its module does not."""
    return f"{name} {_without_positions(module.names[name])!r}"
