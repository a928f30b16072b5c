"""comparison: E-TSDM against DDPM on each data set."""

from typing import ClassVar

from etsdm.experiments.experiment import Sampled


class Comparison(Sampled):
    """E-TSDM against DDPM on each data set."""

    name: ClassVar[str] = "comparison"
    formerly: ClassVar[str] = "datasets"
    order: ClassVar[int] = 20
