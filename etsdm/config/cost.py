"""How fast a device is, as a configuration states it."""

from pydantic import Field

from etsdm.config.strict import Count, Name, Real, Strict


class Cost(Strict):
    """How fast the device is that will run the benchmark, for the estimate of `etsdm plan`. It changes no result."""

    device: str = Field(min_length=1)
    """What it is called in the estimate; say here whether its rates were measured."""
    resolution: int = Field(ge=1, le=1024)
    """Side in pixels at which `train` and `sample` hold; at other sizes they scale by the number of pixels."""
    train: Real = Field(gt=0)
    """Images a second in training, without the extra cost of a method."""
    sample: Real = Field(gt=0)
    """Images times network evaluations a second in sampling."""
    features: Real = Field(gt=0)
    """Images a second through the Inception network, which brings every image to the same size; for other encoders this
    is divided by the ratio of their operations."""
    images: dict[Name, Count] = Field(default_factory=dict)
    """Number of images by data set. One that is not named is counted if its source is there, and else left out."""
