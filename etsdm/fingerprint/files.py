"""Where the project's modules are, and what stands in them."""

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Of the checkout, or of the folder that holds the installed package."""
PLUGIN = "etsdm_plugin_"
"""Begins the name of the module of a plug-in, a file outside the package."""


def file_of(module: str) -> Path | None:
    if module.startswith(PLUGIN):
        loaded = sys.modules.get(module)
        return Path(str(loaded.__file__)) if loaded else None
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imports_of(tree: ast.AST) -> dict[str, str]:
    imports: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                imports[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return imports


def root_of(node: ast.expr) -> str | None:
    """The name at the beginning of `a`, `a.b.c` or a call of either."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


SETTINGS = "etsdm.config.strict.Strict"
"""What every class of settings derives from."""


@cache
def _classes(path: Path) -> tuple[dict[str, ast.ClassDef], dict[str, str]]:
    """The classes that a file defines, and its imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}, imports_of(tree)


@cache
def is_settings(full: str) -> bool:
    """Whether a dotted name is that of a class of settings."""
    where, _, name = full.rpartition(".")
    path = file_of(where) if where.startswith("etsdm") and full != SETTINGS else None
    if path is None:
        return full == SETTINGS
    classes, imports = _classes(path)
    if (definition := classes.get(name)) is None:
        return name in imports and imports[name] != full and is_settings(imports[name])
    bases = [base for base in map(root_of, definition.bases) if base]
    return any(is_settings(imports.get(base, f"{where}.{base}")) for base in bases if base != name)
