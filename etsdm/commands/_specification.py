"""The specification of a run, as an option takes it."""

import json
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from etsdm.commands._options import INPUT, Decorator
from etsdm.errors import UserError
from etsdm.runtime.files import read_json

Settings = TypeVar("Settings")


class Specification(NamedTuple):
    """The specification of a run.

    Attributes:
        values: its content.
        file: the file that it was read from; None where a workflow gave the content itself.
    """

    values: dict[str, Any]
    file: Path | None

    def read_as(self, settings: type[Settings]) -> Settings:
        """The content as settings.

        Raises:
            UserError: one line for each setting that is missing, unknown or wrong.
        """
        from pydantic import TypeAdapter  # slow to import

        from etsdm.config.checking import checked

        return checked(TypeAdapter(settings), self.values, str(self.file or "--spec"))

    def folder(self) -> Path:
        """The folder of the file.

        Raises:
            UserError: there is no file.
        """
        if self.file is None:
            raise UserError("--out: missing; it must be given where --spec is not a file")
        return self.file.parent


class SpecificationType(click.ParamType):
    """A JSON file, which is checked like a configuration, or the JSON that a workflow gives.

    Args:
        kind: see `specs.read_spec`. None: the file is not checked.
    """

    name = "file"

    def __init__(self, kind: str | None) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Specification:
        """Read it."""
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return Specification(json.loads(value), None)
        file = INPUT.convert(value, param, ctx)
        if self._kind is None:
            return Specification(read_json(file), file)
        from etsdm.plan.specs import read_spec  # slow to import

        return Specification(read_spec(file, self._kind), file)


def spec_option(kind: str, text: str = "The run's spec.json, or its content.", required: bool = True) -> Decorator:
    """The option for a specification of one kind."""
    return click.option("--spec", type=SpecificationType(kind), required=required, help=text)
