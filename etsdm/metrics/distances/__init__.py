"""Distances between two sets of features, one file each. Nothing here imports torch: a plan reads their names."""

from typing import Annotated

from pydantic import AfterValidator, Field

from etsdm.config.registry import NameOf, Registry
from etsdm.config.strict import distinct
from etsdm.metrics.distances.distance import Distance

DISTANCES = Registry("etsdm.metrics.distances", "distance", Distance)
Distances = Annotated[
    list[Annotated[str, NameOf("distance", DISTANCES.names)]], Field(min_length=1), AfterValidator(distinct)
]

__all__ = ["DISTANCES", "Distance", "Distances"]
