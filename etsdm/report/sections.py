"""The sections that there are: one for each file in `experiments/`."""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from etsdm.errors import UserError
from etsdm.report import experiments
from etsdm.report.section import Content, Section, Values


def modules() -> list[str]:
    """Full names of the files in `experiments/`."""
    return sorted(f"{experiments.__name__}.{module.name}" for module in pkgutil.iter_modules(experiments.__path__))


@cache
def sections() -> tuple[Section, ...]:
    """Every section, in the order that each states."""
    sections: list[Section] = [importlib.import_module(name).SECTION for name in modules()]
    return tuple(sorted(sections, key=lambda section: section.order))


def section(name: str) -> Section:
    """The section of an experiment.

    Raises:
        UserError: no file shows this experiment.
    """
    for one in sections():
        if one.name == name and one.shown is None:
            return one
    known = ", ".join(one.name for one in sections() if one.shown is None)
    raise UserError(f"experiment {name!r}: the report has no section for it; known: {known}")


def sections_of(inventory: dict[str, Any]) -> list[Section]:
    """The sections of a report, in order.

    Args:
        inventory: the plan as plain data.

    Raises:
        UserError: no file shows an experiment of the inventory.
    """
    names = {section(name).name for name, block in inventory["config"]["experiments"].items() if block}
    own = [one for one in sections() if one.name in names]
    return [one for one in sections() if (one in own if one.shown is None else one.shown(own))]


def values_of(kind: str) -> Callable[[Content | None], Values]:
    """The function that turns the result files of one kind of measurement into rows.

    Raises:
        UserError: no section explains this kind.
    """
    known = {name: function for one in sections() for name, function in one.values.items()}
    if kind not in known:
        raise UserError(f"measurement {kind!r}: no section of the report explains it; known: {', '.join(known)}")
    return known[kind]


def code_of(*functions: Callable[..., Any] | None) -> list[str]:
    """Where functions are defined, for `fingerprint.code`."""
    return sorted({f"{function.__module__}.{function.__qualname__}" for function in functions if function})
