"""datasets: E-TSDM against DDPM on each data set."""

from typing import ClassVar

from etsdm.experiments.experiment import Sampled


class Datasets(Sampled):
    """E-TSDM against DDPM on each data set."""

    name: ClassVar[str] = "datasets"
    order: ClassVar[int] = 20
