"""The commands of `etsdm`, one file each. What a rule runs, a person can run.

The file `train.py` has the command `train`, as a function of the file's name, and `ORDER`, its place in the help. A
name that is a word of Python ends in an underscore (`import_.py`). Files whose names begin with one are no commands.
Only the file of the command that runs is imported. Slow imports stand inside functions, so that help is fast.
"""

import importlib
import pkgutil
from types import ModuleType

import click


def _modules() -> dict[str, str]:
    """Name of the module of each command."""
    modules = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return {name.rstrip("_"): name for name in modules}


def _imported(module: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{module}")


def names() -> list[str]:
    """The names of all commands, in the order that their files state. It imports them all."""
    return sorted(modules := _modules(), key=lambda name: (_imported(modules[name]).ORDER, name))


def load(name: str) -> click.Command | None:
    """The command of this name; None if there is none. No other is imported."""
    module = _modules().get(name)
    if module is None:
        return None
    command: click.Command = getattr(_imported(module), module)
    return command
