"""What a stage's result depends on besides its inputs: the code that can change a number.

Snakemake does not see an edit to an imported module, so each rule carries a digest. It covers the definitions that a
stage reaches from the modules it starts from: functions, classes and constants, one by one. These do not count:

- comments, docstrings, layout, annotations, import lines and the names of modules;
- definitions that the stage never uses;
- what is said: the words of errors and warnings, of progress and of `print`, and what a thing says of itself;
- classes of settings: their defaults and limits decide what is asked for, which a specification holds;
- `QUIET`: code that keeps, counts, locks and reports, and computes nothing.
"""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from etsdm.errors import UserError

ROOT = Path(__file__).resolve().parents[1]

STAGES = {
    "prepare": ["etsdm.data.prepare"],
    "encoder": [],
    "train": ["etsdm.training.train"],
    "snapshot": ["etsdm.training.take"],
    "sample": ["etsdm.sampling.sample"],
    "excerpt": ["etsdm.data.archive"],
    "restore": ["etsdm.sampling.restore"],
    "features": ["etsdm.metrics.features"],
    "score": ["etsdm.metrics.score"],
    "compare": ["etsdm.metrics.restoration"],
    "probe": [],
    "theory": ["etsdm.probes.theory"],
    "rows": ["etsdm.report.rows"],
    "tables": ["etsdm.report.tables.write"],
    "figures": ["etsdm.report.figures.write"],
    "page": ["etsdm.report.page"],
}
"""The modules each stage starts from, besides those it loads by name."""

DATA = {
    "tables": ["etsdm/report/paper_results.csv"],
    "figures": ["etsdm/report/paper_results.csv"],
    "page": ["etsdm/report/paper_results.csv", "etsdm/report/templates/*"],
}
"""Files besides modules that a stage reads from the project."""

QUIET = frozenset(
    {
        "etsdm.config.plugins",
        "etsdm.config.registry",
        "etsdm.config.strict",
        "etsdm.runtime.attempts",
        "etsdm.runtime.digests",
        "etsdm.errors",
        "etsdm.runtime.files",
        "etsdm.fingerprint",
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

SAYING = frozenset({"print", "warnings"})
"""Names whose calls only speak."""
ABOUT = frozenset({"order", "about", "title"})
"""Attributes of a class that say where it is listed, and what a report says of it."""
PROGRESS = "tqdm"
"""Name of the progress bar: only its first argument, what it goes through, does more than show."""
HANDED_DOWN = "ETSDM_CODES"
"""Environment variable of the codes that a workflow was started with."""
OTHERS = ""
"""Instead of a name: the statements of a module that define nothing, which run whenever it is loaded."""

PLUGIN = "etsdm_plugin_"
"""Begins the name of the module of a plug-in, a file outside the package."""

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


class _Essence(ast.NodeTransformer):
    """Takes away from a tree what cannot change a number.

    Args:
        quiet: names of quiet code.
        errors: names of the project's errors.
    """

    def __init__(self, quiet: set[str], errors: set[str]) -> None:
        self._quiet, self._silent = quiet, errors | SAYING

    def visit_Import(self, _: ast.Import) -> None:
        """An import line says where things are."""

    def visit_ImportFrom(self, _: ast.ImportFrom) -> None:
        """The same."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings don't count."""
        silent = isinstance(node.value, ast.Constant) or _root(node.value) in SAYING
        return None if silent else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Imports for annotations alone don't count."""
        return None if _root(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Annotations of arguments and results don't count."""
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Annotations of fields do count: a dataclass is made of them."""
        node.body = [
            kept
            for statement in node.body
            if not _is_about(statement)
            and (kept := statement if isinstance(statement, ast.AnnAssign) else self.visit(statement))
        ]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """The annotation of a variable doesn't count."""
        return None if node.value is None else self.generic_visit(ast.Assign([node.target], node.value))

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """What is said of a failed assertion doesn't count."""
        return self.generic_visit(ast.Assert(node.test))

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What is raised counts, not its words."""
        return ast.Raise(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The words that are handed to an error, a progress bar or quiet code don't count."""
        name = _root(node.func)
        if name in self._silent:
            return ast.Call(node.func, [], [])
        if name == PROGRESS:
            node.args, node.keywords = node.args[:1], []
        if name in self._quiet:
            node.args = [argument for argument in node.args if not _is_text(argument)]
            node.keywords = [keyword for keyword in node.keywords if not _is_text(keyword.value)]
        return self.generic_visit(node)


SETTINGS = "etsdm.config.strict.Strict"
"""What every class of settings derives from."""


@cache
def _classes(path: Path) -> tuple[dict[str, ast.ClassDef], dict[str, str]]:
    """The classes that a file defines, and its imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}, _imports(tree)


@cache
def _is_settings(full: str) -> bool:
    """Whether a dotted name is that of a class of settings."""
    where, _, name = full.rpartition(".")
    path = _file(where) if where.startswith("etsdm") and full != SETTINGS else None
    if path is None:
        return full == SETTINGS
    classes, imports = _classes(path)
    if (own := classes.get(name)) is None:
        return name in imports and imports[name] != full and _is_settings(imports[name])
    bases = [base for base in map(_root, own.bases) if base]
    return any(_is_settings(imports.get(base, f"{where}.{base}")) for base in bases if base != name)


def _is_about(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        return False
    return statement.target.id in ABOUT and "ClassVar" in ast.dump(statement.annotation)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _root(node: ast.expr) -> str | None:
    """The name at the beginning of `a`, `a.b.c` or a call of either."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _file(module: str) -> Path | None:
    if module.startswith(PLUGIN):
        loaded = sys.modules.get(module)
        return Path(str(loaded.__file__)) if loaded else None
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _is_quiet(where: str, name: str) -> bool:
    return where in QUIET or f"{where}:{name}" in QUIET


def _imports(tree: ast.AST) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                found[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def _read(path: Path, module: str) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = _imports(tree)
    quiet = {own for place in QUIET for of, _, own in [place.partition(":")] if of == module}
    quiet |= {name for name, full in imports.items() if full in QUIET or _is_quiet(*full.rpartition(".")[::2])}
    errors = {name for name, full in imports.items() if full.startswith("etsdm.errors.")}
    _Essence(quiet, errors).visit(tree)
    names: dict[str, list[ast.stmt]] = {OTHERS: []}
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and _is_settings(f"{module}.{statement.name}"):
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


def _module(name: str) -> Module | None:
    path = _file(name)
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
        module = _module(where)
        if module is None:
            continue
        if not rest:
            yield from ((where, own) for own in module.names)
        elif rest[0] in module.names:
            yield where, rest[0]
        elif rest[0] in module.imports:
            yield from _resolved(".".join([module.imports[rest[0]], *rest[1:]]))
        return


def _is_there(name: str) -> bool:
    return next(_resolved(name), None) is not None


@cache
def _mentions(module: Module, name: str) -> set[str]:
    """The names that a definition uses."""
    return {dotted for statement in module.names[name] for dotted in _dotted(statement)}


@cache
def _uses(where: str, name: str) -> set[Definition]:
    """The project's definitions that one of them uses itself, those of its module that are always run included."""
    module = _module(where)
    assert module is not None
    found = {(where, OTHERS)}
    for dotted in _mentions(module, name):
        first, _, rest = dotted.partition(".")
        if first in module.names:
            found.add((where, first))
        elif (full := module.imports.get(first, "")).startswith("etsdm"):
            found.update(_resolved(f"{full}.{rest}" if rest else full))
    return found


def reached(*roots: str) -> set[Definition]:
    """The definitions that `roots` use, themselves included; none that is quiet.

    Args:
        roots: modules, all of whose definitions are used, and single definitions by their dotted names.

    Raises:
        ModuleNotFoundError: there is no such module or definition in the project.
    """
    if missing := [root for root in roots if not _is_there(root)]:
        raise ModuleNotFoundError(f"no source file for {missing}")
    found: set[Definition] = set()
    waiting = [definition for root in roots for definition in _resolved(root)]
    while waiting:
        definition = waiting.pop()
        if definition not in found and not _is_quiet(*definition):
            found.add(definition)
            waiting += _uses(*definition)
    return found


def _plain(node: Any) -> Any:
    """A tree without positions and empty fields: the same in every Python version."""
    if isinstance(node, ast.AST):
        fields = [(name, _plain(value)) for name, value in ast.iter_fields(node) if value not in (None, [])]
        return (type(node).__name__, [field for field in fields if field[0] not in ("kind", "type_comment", "ctx")])
    return [_plain(item) for item in node] if isinstance(node, list) else repr(node)


@cache
def _weighed(module: Module, name: str) -> str:
    """What counts of a definition. The name of its module does not."""
    return f"{name} {_plain(module.names[name])!r}"


@cache
def digest(stage: str, *loaded: str) -> str:
    """Digest of the code behind a stage.

    Args:
        stage: a key of `STAGES`.
        loaded: modules, or single definitions, that the stage loads by name, and so imports nowhere: a solver's, a
            method's, an encoder's, a figure's.
    """
    found = [(_module(where), name) for where, name in reached(*STAGES[stage], *loaded)]
    parts = sorted({_weighed(module, name) for module, name in found if module})
    parts += [
        f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for pattern in DATA.get(stage, ())
        for path in sorted(ROOT.glob(pattern))
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def code(stage: str, *loaded: str) -> str:
    """The digest with what it is of, so that `check` can tell later whether the code is still the same.

    Args:
        stage, loaded: see `digest`.
    """
    return " ".join([digest(stage, *loaded), stage, *loaded])


def is_same(noted: str) -> bool:
    """Whether what `code` gave before is what it would give now."""
    before, stage, *loaded = noted.split()
    return stage in STAGES and all(map(_is_there, loaded)) and digest(stage, *loaded) == before


class Planned:
    """The codes that a workflow's stages had when it was started.

    A job on another machine plans the workflow again, perhaps hours later. The codes are handed down to it, so that it
    refuses code that was edited in the meantime.

    Args:
        is_start: whether this process is the one that was started, and not one of its jobs.
    """

    def __init__(self, is_start: bool) -> None:
        self._codes = {} if is_start else json.loads(os.environ.get(HANDED_DOWN, "{}"))

    def code(self, stage: str, *loaded: str) -> str:
        """See `code`."""
        key = " ".join([stage, *loaded])
        if key not in self._codes:
            self._codes[key] = code(stage, *loaded)
            os.environ[HANDED_DOWN] = json.dumps(self._codes)
        found: str = self._codes[key]
        return found


def check(noted: str) -> None:
    """Refuse to run for a workflow that was planned with other code.

    Raises:
        UserError: the code has changed since `code` noted it.
    """
    if not is_same(noted):
        what = " ".join(noted.split()[1:])
        raise UserError(
            f"the code of {what!r} has changed since the workflow was started, which would take the result for that of "
            "the earlier code; stop the workflow with Ctrl-C and start it again"
        )
