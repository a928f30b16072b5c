"""What this machine has, and what a configuration lacks: the checks of `etsdm doctor`, one file each.

Each file has `ORDER`, its place among the checks, and `lines(case)`, which gives one `Line` or more. Files whose names
begin with an underscore are no checks. A check may fail as it likes: its failure is a line, too.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from etsdm.doctor._line import Case, Line
from etsdm.errors import UserError

__all__ = ["Case", "Line", "checks", "examine"]


def checks() -> list[ModuleType]:
    """The checks in the order that their files state."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return sorted((importlib.import_module(f"{__name__}.{name}") for name in names), key=lambda check: check.ORDER)


def examine(config: Path | None, results: Path) -> Iterator[Line]:
    """One line after the other, of the machine and, where one is given, of a configuration.

    Args:
        config: the configuration; a line says what is wrong with it.
        results: root folder of the results.
    """
    case = Case(results)
    if config is not None:
        from etsdm.plan.plan import load_plan

        try:
            case = Case(results, load_plan(config, look=False), str(config))
        except UserError as error:
            yield from (Line("configuration", "missing", line) for line in str(error).splitlines())
    for check in checks():
        yield from _looked(check, case)


def _looked(check: ModuleType, case: Case) -> list[Line]:
    """The lines of a check. One that fails says so: a machine that nobody foresaw must not end the others."""
    try:
        return [*check.lines(case)]
    except Exception as error:
        name = check.__name__.rpartition(".")[2].replace("_", " ")
        return [Line(name, "missing", f"cannot be looked at ({type(error).__name__}: {error})")]
