"""alternatives: other ways to a bounded Lipschitz constant."""

from typing import ClassVar

from etsdm.experiments.experiment import Sampled


class Alternatives(Sampled):
    """Other ways to a bounded Lipschitz constant; several grids, where not every method is wanted on every schedule."""

    name: ClassVar[str] = "alternatives"
    order: ClassVar[int] = 60
    several: ClassVar[bool] = True
