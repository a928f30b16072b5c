"""The specification of a run: what its job is handed, and writes down beside its result."""

from typing import Annotated, Any

from pydantic import Field

from etsdm.config.strict import Strict

Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Spec(Strict):
    """Settings of a run, read from plain values by `model_validate` and written by `json_values`."""

    def json_values(self) -> dict[str, Any]:
        """The values that it was read from, as JSON holds them: what is not given is left out."""
        return self.model_dump(mode="json", exclude_unset=True)
