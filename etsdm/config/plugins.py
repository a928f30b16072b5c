"""Files of one's own, outside the package, that define solvers, methods and other things by name."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from etsdm.config.registry import registries
from etsdm.errors import UserError
from etsdm.fingerprint import PLUGIN


def load(files: list[str]) -> list[str]:
    """Run plug-ins and take in what they define; the same files.

    Args:
        files: paths of Python files, absolute or relative to the working directory.

    Raises:
        UserError: a file is missing, fails, or defines nothing.
    """
    for file in files:
        module = _module(file)
        if not sum(registry.add(module) for registry in registries()):
            kinds = ", ".join(registry.kind for registry in registries())
            raise UserError(f"{file}: it defines nothing that can be used; a plug-in defines one of: {kinds}")
    return files


def name_of(file: str) -> str:
    """Name of the module of a plug-in: a function of its path alone."""
    path = Path(file).resolve()
    return f"{PLUGIN}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _module(file: str) -> ModuleType:
    name, path = name_of(file), Path(file)
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file() or path.suffix != ".py":
        raise UserError(f"{file}: no such plug-in; a plug-in is a Python file, its path relative to where you start")
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"{file}: the plug-in failed: {type(error).__name__}: {error}") from error
    return module
