"""The experiments, one file each: its settings, the models that it needs and what is measured of them."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, create_model, model_validator
from pydantic_core import PydanticCustomError

from etsdm.config.checking import ONE, SEVERAL
from etsdm.config.registry import UNKNOWN, Registry
from etsdm.config.strict import Strict
from etsdm.experiments.defaults import Defaults, filled_in
from etsdm.experiments.experiment import Experiment

EXPERIMENTS = Registry("etsdm.experiments", "experiment", Experiment)

__all__ = ["EXPERIMENTS", "AskedExperiments", "experiments_model"]


class AskedExperiments(Strict):
    """The experiments to run. One that is not given, or is null, is not run. Two that need the same trained network
    share it."""

    defaults: Defaults | None = Field(None, exclude=True)
    """Lists that experiments share."""

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, value: Any) -> Any:
        for before, name in EXPERIMENTS.renamed().items():
            if isinstance(value, dict) and before in value:
                words = "{key}: this experiment is called '{name}' now; write {name} instead of {key}"
                raise PydanticCustomError(UNKNOWN, words, {"key": before, "name": name})
        return filled_in(value, EXPERIMENTS.all())

    def by_name(self) -> dict[str, list[Experiment]]:
        """The experiments asked for, by name, in order, each as one grid or several."""
        grids = {name: getattr(self, field(name)) for name in EXPERIMENTS.names()}
        return {name: g if isinstance(g, list) else [g] for name, g in grids.items() if g is not None}


def field(name: str) -> str:
    """The Python name of an experiment."""
    return name.replace("-", "_")


def _one_or_several(value: Any) -> str:
    return SEVERAL if isinstance(value, list) else ONE


def _type(experiment: type[Experiment]) -> Any:
    if not experiment.several:
        return experiment
    grids = Annotated[list[experiment], Field(min_length=1), Tag(SEVERAL)]  # type: ignore[valid-type]
    return Annotated[Annotated[experiment, Tag(ONE)] | grids, Discriminator(_one_or_several)]


def experiments_model() -> type[AskedExperiments]:
    """The block `experiments` of a configuration: a key for each experiment there is."""
    fields: dict[str, Any] = {
        field(name): (_type(thing) | None, Field(None, alias=name, description=_description(thing)))
        for name, thing in EXPERIMENTS.all().items()
    }
    return create_model("Experiments", __base__=AskedExperiments, __doc__=AskedExperiments.__doc__, **fields)


def _description(thing: type[Experiment]) -> str:
    return " ".join((thing.__doc__ or "").split())
