"""two-budgets: each solver with few evaluations and with many."""

from typing import ClassVar

from etsdm.experiments.experiment import Sampled


class TwoBudgets(Sampled):
    """A grid of models, sampled with few and with many evaluations."""

    name: ClassVar[str] = "two-budgets"
    order: ClassVar[int] = 35
