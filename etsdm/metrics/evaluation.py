"""Settings of the evaluation: how sample sets are scored."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from etsdm.config.precision import Precision
from etsdm.config.strict import Real, Strict, distinct
from etsdm.metrics.distances import DISTANCES, Distances
from etsdm.metrics.encoders import ENCODERS, Encoder, OneEncoder


def _one_a_name(encoders: list[Encoder]) -> list[Encoder]:
    distinct([encoder.name for encoder in encoders])
    return encoders


class Evaluation(Strict):
    """How sample sets are scored."""

    samples: int = Field(ge=2, le=100_000_000)
    """Images generated for each sample set; the metric's name carries the number."""
    precision: Precision = "tf32"
    """Of the network's products while sample sets are drawn; solvers compute in float32. A CPU takes tf32 for float32.
    Restorations are made in tf32."""
    encoders: Annotated[list[OneEncoder], Field(min_length=1), AfterValidator(_one_a_name)]
    """Feature extractors."""
    distances: Distances
    """Distances between the features of samples and of the data set."""
    margin: Real = Field(0.05, gt=0, lt=1)
    """Changes below this share of a value are called equivalent to none, where that can be shown."""
    bootstrap: int = Field(50, ge=0, le=100_000)
    """Replicates of the bootstrap over images, beside each Frechet distance; 0: none."""

    def minimum_images(self) -> int:
        """Fewest images for which every distance is defined."""
        return max(fewest_images(encoder.name, self.distances) for encoder in self.encoders)

    @model_validator(mode="after")
    def _enough_samples(self) -> Self:
        for encoder in self.encoders:
            for name in self.distances:
                least = fewest_images(encoder.name, [name])
                if self.samples < least:
                    raise ValueError(
                        f"samples = {self.samples} is too few: the {DISTANCES[name].title} needs at least {least}, "
                        f"because '{encoder.name}' gives {encoder.length} features"
                    )
        return self


def fewest_images(encoder: str, distances: list[str]) -> int:
    """Fewest images of each set for which distances between features of an encoder are defined.

    Raises:
        UserError: an unknown name.
    """
    return max(DISTANCES[name].fewest(ENCODERS[encoder].length) for name in distances)
