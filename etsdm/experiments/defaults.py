"""What a configuration's experiments share: lists for each experiment that does not give its own."""

from typing import Any

from pydantic import ConfigDict

from etsdm.config.strict import Names, Strict
from etsdm.diffusion.methods import Methods
from etsdm.experiments.experiment import Experiment
from etsdm.solvers import Solvers


class Defaults(Strict):
    """For each experiment that has such a key and does not give it."""

    datasets: Names | None = None
    """Names from `datasets`."""
    methods: Methods | None = None
    """Methods: a name alone takes that method's defaults."""
    solvers: Solvers | None = None
    """Solvers, each with its budgets."""


class _Alone(Strict):
    """The defaults, so that a mistake in them is one of theirs, not one of each experiment."""

    model_config = ConfigDict(extra="ignore")

    defaults: Defaults | None = None


def filled_in(experiments: Any, known: dict[str, type[Experiment]]) -> Any:
    """The block `experiments` with its defaults in each experiment.

    Args:
        experiments: plain values.
        known: the experiments that there are, by name.

    Raises:
        ValidationError: the defaults are wrong.
    """
    if not isinstance(experiments, dict) or not experiments.get("defaults"):
        return experiments
    _Alone.model_validate(experiments)
    defaults = experiments["defaults"]
    return experiments | {
        name: _filled_in(experiments[name], {key: defaults[key] for key in thing.model_fields if key in defaults})
        for name, thing in known.items()
        if name in experiments
    }


def _filled_in(block: Any, defaults: dict[str, Any]) -> Any:
    if isinstance(block, list):
        return [_filled_in(grid, defaults) for grid in block]
    return defaults | block if isinstance(block, dict) else block
