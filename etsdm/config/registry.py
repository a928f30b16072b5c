"""Things by name: one file each in a folder, or in a file of one's own outside the package.

A folder's listing is the list of its things. There is no other: a new file is a new thing.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from etsdm.config.strict import allowed_instead, as_block, short
from etsdm.errors import UserError

Thing = TypeVar("Thing")
UNKNOWN, MISSING = "unknown_name", "missing_name"
"""Types of the errors of a name."""
_REGISTRIES: "list[Registry[Any]]" = []


@dataclass(eq=False)
class Registry(Generic[Thing]):
    """The things of one kind.

    A thing is a class that derives from `base`. It has one name or more, and states an `order`: things are listed by
    it, then by name. It may state the name that it had before, `formerly`, which is refused with the one of today. A
    class whose name begins with an underscore is none.

    Args:
        package: full name of the folder. Each module in it is read, but not those whose name begins with an underscore.
        kind: what one thing is called in messages, such as "solver".
        base: what each thing derives from.
        key: the setting, or the class attribute, that holds its names.
    """

    package: str
    kind: str
    base: type[Thing]
    key: str = "name"
    _things: dict[str, type[Thing]] = field(default_factory=dict, init=False)
    _is_listed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        _REGISTRIES.append(self)

    def all(self) -> dict[str, type[Thing]]:
        """The things by name, in order."""
        if not self._is_listed:
            self._is_listed = True
            folder = importlib.import_module(self.package)
            for info in pkgutil.iter_modules(folder.__path__, f"{self.package}."):
                if not info.name.rpartition(".")[2].startswith("_"):
                    self._take(importlib.import_module(info.name))
        return self._things

    def add(self, module: ModuleType) -> int:
        """Take in the things that a module outside the folder defines, and count them.

        Raises:
            UserError: one has the name of another, or states no order.
        """
        self.all()
        return self._take(module)

    def _take(self, module: ModuleType) -> int:
        by_name = {name: thing for thing in self._things_of(module) for name in self._names(thing)}
        for name, thing in by_name.items():
            if (other := self._things.get(name)) and other.__module__ != module.__name__:
                raise UserError(f"{module.__file__}: there is a {self.kind} {name!r} already, in {other.__module__}")
            if not hasattr(thing, "order"):
                raise UserError(f"{module.__file__}: {thing.__name__} states no `order`, its place among others")
        self._things |= by_name
        self._things = dict(sorted(self._things.items(), key=lambda item: (getattr(item[1], "order"), item[0])))  # noqa: B009
        return len(by_name)

    def _things_of(self, module: ModuleType) -> list[Any]:
        """The classes that a module defines itself, of this kind."""
        return [thing for thing in vars(module).values() if self._is_thing(thing, module)]

    def names(self) -> list[str]:
        """The names of all things, in order."""
        return list(self.all())

    def renamed(self) -> dict[str, str]:
        """The names that things had before, each with the name of today."""
        former = {name: getattr(thing, "formerly", None) for name, thing in self.all().items()}
        return {before: name for name, before in former.items() if before}

    def __getitem__(self, name: str) -> type[Thing]:
        """The named thing.

        Raises:
            UserError: there is none of this name.
        """
        if name not in self.all():
            if now := self.renamed().get(name):
                raise UserError(f"the {self.kind} {name!r} is called {now!r} now")
            known = allowed_instead(short(name), self.names())
            hint = "one of your own: give its file by --plugin before the command"
            raise UserError(f"unknown {self.kind} {short(name)!r}; {known}; {hint}")
        return self._things[name]

    def read(self, values: dict[str, Any]) -> Thing:
        """The settings of a thing, from plain values that name it.

        Raises:
            UserError: there is none of this name.
            ValidationError: a setting is missing, unknown or wrong.
        """
        thing: Thing = self[values[self.key]].model_validate(values)  # type: ignore[attr-defined]
        return thing

    def module(self, name: str) -> str:
        """Full name of the module that defines the named thing. Raises UserError if there is none."""
        return self[name].__module__

    def load(self, name: str) -> ModuleType:
        """The module that defines the named thing. Raises UserError if there is none."""
        return importlib.import_module(self.module(name))

    def _is_thing(self, value: Any, module: ModuleType) -> bool:
        is_own = isinstance(value, type) and value.__module__ == module.__name__
        return is_own and issubclass(value, self.base) and value.__name__[0] != "_"

    def _names(self, thing: Any) -> tuple[str, ...]:
        if issubclass(thing, BaseModel) and self.key in thing.model_fields:
            return get_args(thing.model_fields[self.key].annotation)
        name = getattr(thing, self.key, None)  # a base in common has none
        return () if name is None else (name,)


def registries() -> Iterator[Registry[Any]]:
    """All registries whose packages are imported."""
    yield from _REGISTRIES


@dataclass(frozen=True)
class OneOf:
    """Marks a value as the settings of a thing, chosen by its name: `Annotated[Solver, OneOf(SOLVERS)]`.

    A name alone takes that thing's defaults.

    Args:
        registry: the things.
        none: the word for none of them, where there may be none: `Annotated[Weight | None, OneOf(WEIGHTS, "none")]`.
    """

    registry: Registry[Any]
    none: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        things = dict.fromkeys(self.registry.all().values())
        blocks = [handler(thing.__pydantic_core_schema__) for thing in things]
        alone = [name for name, thing in self.registry.all().items() if self._needs_no_more(thing)]
        alone += [self.none] if self.none else []
        words = [{"enum": alone, "type": "string"}] if alone else []
        return {"anyOf": [*blocks, *words, *([{"type": "null"}] if self.none else [])]}

    def _needs_no_more(self, thing: type[BaseModel]) -> bool:
        """Whether the name of a thing is all that must be given."""
        return all(key == self.registry.key or not field.is_required() for key, field in thing.model_fields.items())

    def _validate(self, value: Any) -> Any:
        if isinstance(value, self.registry.base) or (value is None and self.none):
            return value
        settings, key = as_block(value), self.registry.key
        if self.none and settings == {key: self.none}:
            return None
        if not isinstance(settings, dict):
            raise PydanticCustomError("mapping", "a name, or a mapping of keys, is needed")
        name = settings.get(key)
        if name is None:
            raise PydanticCustomError(MISSING, "{key}: missing; it must be given", {"key": key})
        if name not in self.registry.names():
            if isinstance(name, str) and (now := self.registry.renamed().get(name)):
                problem = {"key": key, "kind": self.registry.kind, "name": name, "now": now}
                raise PydanticCustomError(UNKNOWN, "{key}: the {kind} '{name}' is called '{now}' now", problem)
            problem = {"key": key} | unknown(name, [*self.registry.names(), *([self.none] if self.none else [])])
            raise PydanticCustomError(UNKNOWN, "{key}: unknown '{name}'; {known}", problem)
        return self.registry[name].model_validate(settings)


@dataclass(frozen=True)
class NameOf:
    """Marks a text as a name of a thing: `Annotated[str, NameOf("schedule", SCHEDULES.names)]`.

    Args:
        kind: what one thing is called in messages.
        names: gives the names that there are.
    """

    kind: str
    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._validate, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"enum": [*self.names()], "type": "string"}

    def _validate(self, name: str) -> str:
        known = [*self.names()]
        if name not in known:
            raise PydanticCustomError(UNKNOWN, "unknown '{name}'; {known}", unknown(name, known))
        return name


def unknown(name: str, known: list[str]) -> dict[str, str]:
    """The words of a message on a name that there is not."""
    return {"name": short(name), "known": allowed_instead(short(name), known)}
