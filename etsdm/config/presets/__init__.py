"""Presets: usual values of a block under a name. Each is one YAML file in the folder of its block."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from etsdm.config.registry import UNKNOWN, unknown
from etsdm.config.strict import Strict
from etsdm.config.yaml_file import read_yaml

FOLDER = Path(__file__).parent


def names(block: str) -> list[str]:
    """The presets of a block, such as `network`: the files in its folder."""
    return sorted(file.stem for file in (FOLDER / block).glob("*.yaml"))


class OfPreset(Strict):
    """A block of the configuration whose values may come from a preset. The name alone is a short form.

    Attributes:
        block: what the configuration calls it.
    """

    block: ClassVar[str]

    preset: str | None = Field(None, exclude=True)
    """Usual values by name, which keys given here replace; null: none."""

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, value: Any) -> Any:
        values = {"preset": value} if isinstance(value, str) else value
        if not isinstance(values, dict) or not isinstance(values.get("preset"), str):
            return values
        name, known = values["preset"], names(cls.block)
        if name not in known:
            raise PydanticCustomError(
                UNKNOWN, "{key}: unknown '{name}'; {known}", {"key": "preset"} | unknown(name, known)
            )
        return read_yaml(FOLDER / cls.block / f"{name}.yaml") | values

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        resolved = handler.resolve_ref_schema(schema)
        resolved["properties"]["preset"]["anyOf"][0] = {"enum": names(cls.block), "type": "string"}
        return schema
