"""What a stage's result depends on besides its inputs: the code that computes it.

Snakemake does not see an edit to an imported module, so each rule carries the digest of the modules its stage uses.
Comments, docstrings and layout don't count. Registries (`__init__.py`) don't count either: they say where code is,
not what it does, so a new solver leaves the results of the others alone.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

STAGES = {
    "prepare": ["etsdm.data.prepare"],
    "encoder": ["etsdm.metrics.classifier"],
    "inception": ["etsdm.metrics.inception"],
    "train": ["etsdm.training.train"],
    "snapshot": ["etsdm.training.take"],
    "sample": ["etsdm.sampling.sample"],
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
    "tables": ["config/paper_results.csv"],
    "figures": ["config/paper_results.csv"],
    "page": ["config/paper_results.csv", "etsdm/report/templates/*"],
}
"""Files besides modules that a stage reads from the project."""


def _file(module: str) -> Path | None:
    path = ROOT / (module.replace(".", "/") + ".py")
    return path if path.is_file() else None


def _docstring_free(body: list[ast.stmt]) -> list[ast.stmt]:
    return [
        statement
        for statement in body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]


def _canonical(node: Any) -> Any:
    """The syntax tree without positions, docstrings and empty fields: the same in every Python version."""
    if isinstance(node, ast.AST):
        fields = []
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(value, list):
                value = _docstring_free(value)
            if value not in (None, []) and name not in ("kind", "type_comment"):
                fields.append((name, _canonical(value)))
        return (type(node).__name__, fields)
    return [_canonical(item) for item in node] if isinstance(node, list) else repr(node)


def _imports(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith("etsdm.")}


@cache
def _parsed(path: Path) -> tuple[str, frozenset[str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return hashlib.sha256(repr(_canonical(tree)).encode()).hexdigest(), frozenset(_imports(tree))


def modules(*roots: str) -> dict[str, Path]:
    """The project's modules that `roots` import, themselves included, by name."""
    missing = [root for root in roots if _file(root) is None]
    if missing:
        raise ModuleNotFoundError(f"no source file for {missing}")
    found: dict[str, Path] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path and name not in found:
            found[name] = path
            waiting += _parsed(path)[1]
    return found


@cache
def digest(stage: str, *loaded: str) -> str:
    """Digest of the code behind a stage.

    Args:
        stage: a key of `STAGES`.
        loaded: modules that the stage loads by name, and so imports nowhere: a solver's, a method's, an encoder's.
    """
    parts = [f"{name} {_parsed(path)[0]}" for name, path in sorted(modules(*STAGES[stage], *loaded).items())]
    parts += [
        f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for pattern in DATA.get(stage, ())
        for path in sorted(ROOT.glob(pattern))
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
