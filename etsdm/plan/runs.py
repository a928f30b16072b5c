"""Runs of stages, and what is measured of them."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from etsdm.data import sources
from etsdm.models.spec import ModelSpec

Spec = dict[str, Any]


def images_of(dataset: Spec) -> Spec:
    """What of a data set's settings belongs to the identity of its images, and of all that is made from them.

    Where they come from does not: their content is compared by its digest.
    """
    where = sources.of(dataset).where
    return {key: value for key, value in dataset.items() if key not in where}


def identity(spec: Spec) -> str:
    """Eight hexadecimal digits of a specification."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Run:
    """One run of one stage: its folder (relative to the results), its specification and the runs it needs."""

    path: str
    spec: Spec
    needs: dict[str, "Run"] = field(default_factory=dict)

    @cached_property
    def model(self) -> ModelSpec:
        """The specification of a model or a snapshot."""
        return ModelSpec.model_validate(self.spec)

    @property
    def label(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[1]


@dataclass(frozen=True)
class Measurement:
    """One file with measured values: the run that it is made from, and the model and encoder behind it.

    Attributes:
        experiment: name of the block that asks for it.
        kind: `distance`, `restoration`, the name of a probe, or `theory`.
        file: path relative to the results.
        run: the sample set, the restored images, the probe or the theory it belongs to.
        model: the trained model, or a snapshot of it; None for theory.
        encoder: the feature extractor of a distance.
    """

    experiment: str
    kind: str
    file: str
    run: Run
    model: Run | None = None
    encoder: Run | None = None

    @property
    def training(self) -> Run | None:
        """The training behind the model: the model itself, or the one that it is a snapshot of."""
        return self.model and self.model.needs.get("training", self.model)

    @property
    def reference(self) -> str:
        """Folder of the data set's features by the same encoder."""
        assert self.encoder and self.model
        return f"{self.model.needs['data'].path}/{self.encoder.label}"


def through_json(spec: Spec) -> Spec:
    """A specification as it is after a way through JSON."""
    values: Spec = json.loads(json.dumps(spec))
    return values
